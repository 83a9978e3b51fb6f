import type { ExitCode } from '@app/cli';
import type { CommandLine } from '../command-line/parse.js';
import type { Printer } from '../output/printer.js';
import type { StateFile } from '../state/state-file.js';

/** What a command gets. */
export interface CommandContext {
  readonly line: CommandLine;
  readonly file: StateFile;
  readonly printer: Printer;
  readonly environment: NodeJS.ProcessEnv;
  /** Aborted by a signal that ends the program. */
  readonly signal: AbortSignal;
}

export type Command = (context: CommandContext) => Promise<ExitCode>;

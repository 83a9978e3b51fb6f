import type { ExitCode } from '@app/cli';
import type { Invocation } from './invocation.js';
import { FORMATS } from './parsed-command.js';

export interface ArgumentDefinition {
  /** As in the usage, e.g. `HOST`. */
  readonly name: string;
  readonly meaning: string;
  readonly optional?: true;
  /** The only values. */
  readonly choices?: readonly string[];
}

export interface OptionDefinition {
  readonly meaning: string;
  /** Placeholder of the value in the usage; absent for a flag. */
  readonly value?: string;
  /** The only values. */
  readonly choices?: readonly string[];
  readonly required?: true;
}

/** One command of the program: help, completion, documentation and the test matrix are made from these. */
export interface CommandDefinition {
  /** Words of the command line, e.g. `keys create`. */
  readonly name: string;
  readonly summary: string;
  /** Further paragraphs of the help. */
  readonly description?: readonly string[];
  readonly arguments?: readonly ArgumentDefinition[];
  /** By name, without the dashes. */
  readonly options?: Readonly<Record<string, OptionDefinition>>;
  readonly examples?: readonly string[];
  /** Changes something on the server: context and server are printed first. */
  readonly changes?: true;
  /** Prints something else than data in a format: a script for a shell, an export, a full screen. */
  readonly printsOwnFormat?: true;
  /** Not listed in the help; for the completion scripts. */
  readonly hidden?: true;
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  /** @returns the exit code, if it is not 0. */
  readonly run: (invocation: Invocation) => Promise<ExitCode | void>;
}

/** Options of every command. */
export const GLOBAL_OPTIONS = {
  output: { value: 'FORMAT', choices: FORMATS, meaning: 'format of the data on stdout; also -o. Default: table' },
  context: { value: 'NAME', meaning: 'the context to use. Default: $CSCTL_CONTEXT, then the chosen one' },
  help: { meaning: 'print this help; also -h' },
} as const satisfies Readonly<Record<string, OptionDefinition>>;

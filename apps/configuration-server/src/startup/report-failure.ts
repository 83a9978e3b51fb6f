import { DirectoryInUse, SettingsError, UnsafeFile } from '@app/platform';
import { StartupError } from './startup-error.js';
import { CommandLineError } from './command-line.js';

const SELF_EXPLANATORY = [CommandLineError, SettingsError, DirectoryInUse, UnsafeFile, StartupError];

/** Prints why the program ends: only the message if it is written for the operator. */
export function reportFailure(error: unknown): void {
  const startedEarly =
    SELF_EXPLANATORY.some((kind) => error instanceof kind) ||
    (error instanceof Error && error.name === 'DatabaseProgramMissing');
  console.error(startedEarly ? (error as Error).message : error);
}

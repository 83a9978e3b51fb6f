import { DirectoryInUse, SettingsError, UnsafeFile } from '@app/platform';
import { StartupError } from './startup/startup-error.js';
import { CommandLineError } from './startup/command-line.js';

const SELF_EXPLANATORY = [CommandLineError, SettingsError, DirectoryInUse, UnsafeFile, StartupError];

/** Prints why the program ends: the message alone where it says all that an operator needs. */
export function reportFailure(error: unknown): void {
  const startedEarly =
    SELF_EXPLANATORY.some((kind) => error instanceof kind) ||
    (error instanceof Error && error.name === 'DatabaseProgramMissing');
  console.error(startedEarly ? (error as Error).message : error);
}

import { EXIT_CODES, type ExitCode } from './exit-codes.js';

/** Ends the program with a message and an exit code. */
export class CliError extends Error {
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    /** Human-readable: what to do next. */
    readonly advice: string | null = null,
  ) {
    super(message);
  }
}

/** The arguments are wrong; `help` names the command whose help explains them. */
export const usageError = (message: string, help: string): CliError =>
  new CliError(EXIT_CODES.usage, message, `Run "${help} --help" for the usage.`);

export const interrupted = (message = 'Interrupted.'): CliError => new CliError(EXIT_CODES.interrupted, message);

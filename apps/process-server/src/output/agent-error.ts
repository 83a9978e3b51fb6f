import { CliError, EXIT_CODES, type ExitCode } from '@app/cli';

/** Ends a command: what is wrong, what to do about it, and the exit code. */
export class AgentError extends CliError {
  constructor(
    exitCode: ExitCode,
    /** Stable name of the cause. */
    readonly code: string,
    message: string,
    advice: string | null,
    /** The invalid option, as it was written. */
    readonly field: string | null = null,
  ) {
    super(exitCode, message, advice);
  }
}

/** An invalid option or argument. */
export const usageError = (field: string, message: string): AgentError =>
  new AgentError(
    EXIT_CODES.usage,
    'usage',
    message,
    'Run "process-server --help" for the commands, "process-server COMMAND --help" for the options of one.',
    field,
  );

/** A configuration or a state folder that cannot be used. */
export const configurationError = (code: string, message: string, advice: string): AgentError =>
  new AgentError(EXIT_CODES.configuration, code, message, advice);

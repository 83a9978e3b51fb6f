import { ApiProblemError } from '@app/api-client';
import { failureOf, OutputStream, type ExitCode } from '@app/cli';
import { AgentError } from './agent-error.js';

/** Data goes to stdout, progress to stderr. With `--json` stdout is one JSON object. */
export class Printer {
  private readonly output = new OutputStream(process.stdout);
  private readonly progressOutput = new OutputStream(process.stderr);

  constructor(private readonly isJson: boolean) {}

  progress(line: string): void {
    void this.progressOutput.write(`${line}\n`);
  }

  async result(result: object, lines: readonly string[]): Promise<void> {
    await this.output.write(this.isJson ? `${JSON.stringify(result)}\n` : lines.map((line) => `${line}\n`).join(''));
  }

  /** Prints what went wrong and returns the exit code of the command. */
  async failure(error: unknown): Promise<ExitCode> {
    const { exitCode, lines } = failureOf(error, null);
    await this.progressOutput.write(lines.map((line) => `${line}\n`).join(''));
    if (this.isJson) await this.output.write(`${JSON.stringify({ error: { exitCode, ...errorFields(error) } })}\n`);
    return exitCode;
  }
}

function errorFields(error: unknown): object {
  if (error instanceof AgentError) {
    const { code, field, message, advice } = error;
    return { code, ...(field !== null && { field }), message, advice };
  }
  if (error instanceof ApiProblemError) {
    const { code, detail, requestId, instruction, errors } = error.problem;
    return { code, message: detail, requestId, ...(instruction && { instruction }), ...(errors && { errors }) };
  }
  return { code: 'failed', message: error instanceof Error ? error.message : String(error) };
}

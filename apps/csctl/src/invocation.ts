import { OperatorClient } from '@app/api-client';
import { usageError } from '@app/cli';
import { chooseContext, contextFilePath, readContextFile, type Context } from './contexts.js';
import { parseDuration } from './duration.js';
import type { Printer } from './output/printer.js';
import type { ParsedCommand } from './parsed-command.js';
import type { Terminal } from './terminal.js';

interface Connection {
  readonly client: OperatorClient;
  readonly steadyClient: OperatorClient;
  readonly name: string;
  readonly context: Context;
}

/** One run of a command: its arguments, and the outside world. */
export class Invocation {
  private connection: Connection | null = null;

  constructor(
    private readonly parsed: ParsedCommand,
    readonly printer: Printer,
    readonly terminal: Terminal,
    /** Aborted by the first Ctrl-C; the second one ends the program. */
    readonly signal: AbortSignal,
  ) {}

  argument(index: number): string | undefined {
    return this.parsed.arguments[index];
  }

  text(option: string): string | undefined {
    const value = this.parsed.values[option];
    return typeof value === 'string' ? value : undefined;
  }

  flag(option: string): boolean {
    return this.parsed.values[option] === true;
  }

  /** @throws CliError if the option is no whole number within the bounds. */
  integer(option: string, least: number, most: number): number | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const number = Number(text);
    if (!/^\d{1,15}$/.test(text) || number < least || number > most)
      throw this.usageError(`--${option} is "${text}", but must be a whole number from ${least} to ${most}.`);
    return number;
  }

  /** @returns seconds. @throws CliError if the option is no duration. */
  duration(option: string): number | undefined {
    const text = this.text(option);
    if (text === undefined) return undefined;
    const seconds = parseDuration(text);
    if (seconds === null)
      throw this.usageError(`--${option} is "${text}", but must be a duration such as 90s, 5m or 7d.`);
    return seconds;
  }

  usageError(message: string): Error {
    return usageError(message, `csctl ${this.parsed.commandName}`);
  }

  /** Name of the context that `--context` asks for. */
  get contextOption(): string | null {
    return this.parsed.context;
  }

  /** URL of the server in use; null before the first call. */
  get target(): string | null {
    return this.connection?.context.url ?? null;
  }

  /** The client of the chosen context. @throws CliError without a context. */
  get client(): OperatorClient {
    return this.connect().client;
  }

  /** For changes: Ctrl-C does not cut a call off, so that its outcome is printed. @throws CliError without a context. */
  get steadyClient(): OperatorClient {
    return this.connect().steadyClient;
  }

  /** Prints which server is about to be changed. */
  announceChange(): void {
    const { name, context } = this.connect();
    this.terminal.say(`Context ${name}, server ${context.url}`);
  }

  /** Makes calls with a context that is not stored yet. */
  use(name: string, context: Context): OperatorClient {
    const { url, apiKey, certificateAuthorities } = context;
    const options = { url, apiKey, ...(certificateAuthorities !== undefined && { certificateAuthorities }) };
    const client = new OperatorClient({ ...options, signal: this.signal });
    this.connection = { client, steadyClient: new OperatorClient(options), name, context };
    return client;
  }

  async close(): Promise<void> {
    await this.connection?.client.close();
    await this.connection?.steadyClient.close();
  }

  private connect(): Connection {
    if (this.connection === null) {
      const { name, context } = chooseContext(readContextFile(contextFilePath()), this.contextOption);
      this.use(name, context);
    }
    return this.connection as Connection;
  }
}

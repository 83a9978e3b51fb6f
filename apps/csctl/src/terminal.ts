import type { ReadStream, WriteStream } from 'node:tty';
import { CliError, EXIT_CODES, interrupted } from '@app/cli';

/** The person at the terminal, if there is one. Questions and messages are on stderr, because stdout has the data. */
export class Terminal {
  private hasProgress = false;

  constructor(
    private readonly input: ReadStream,
    private readonly messages: WriteStream,
  ) {}

  /** A person can be asked. */
  get isInteractive(): boolean {
    return this.input.isTTY === true && this.messages.isTTY === true;
  }

  /** Columns of the terminal for messages; null without one. */
  get width(): number | null {
    return (this.messages.isTTY && this.messages.columns) || null; // 0 where the size is unknown
  }

  say(...lines: readonly string[]): void {
    this.messages.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Replaces the last progress line of a terminal; without one, nothing is printed. */
  progress(line: string): void {
    if (!this.messages.isTTY) return;
    this.messages.write(`\r\x1b[K${line}`);
    this.hasProgress = true;
  }

  endProgress(): void {
    if (this.hasProgress) this.progress('');
    this.hasProgress = false;
  }

  /** @throws CliError without a terminal, and after Ctrl-C or Ctrl-D. */
  async ask(question: string): Promise<string> {
    if (!this.isInteractive) throw new CliError(EXIT_CODES.usage, 'This needs an answer, and there is no terminal.');
    const { createInterface } = await import('node:readline/promises');
    const lines = createInterface({ input: this.input, output: this.messages, terminal: true });
    const ended = new AbortController();
    for (const event of ['SIGINT', 'close'] as const) lines.on(event, () => ended.abort());
    try {
      return (await lines.question(question, { signal: ended.signal })).trim();
    } catch {
      this.say('');
      throw interrupted('Interrupted: nothing was changed.');
    } finally {
      lines.close();
    }
  }

  /** Only `y` and `yes` agree. */
  async confirm(question: string): Promise<boolean> {
    return /^y(es)?$/i.test(await this.ask(`${question} [y/N] `));
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';

const PROGRAM = fileURLToPath(new URL('../../scripts/csctl.mjs', import.meta.url));
const ENDS_WITHIN_MS = 60_000;

export interface CsctlResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `csctl` with a file of contexts of its own. */
export class CsctlProgram {
  private constructor(readonly folder: string) {}

  static async make(): Promise<CsctlProgram> {
    return new CsctlProgram(await mkdtemp(join(tmpdir(), 'csctl-program-')));
  }

  get contextFile(): string {
    return join(this.folder, 'contexts.json');
  }

  /** Runs a command without a terminal. */
  async run(...args: readonly string[]): Promise<CsctlResult> {
    const child = this.spawn(process.execPath, [PROGRAM, ...args], 'ignore');
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    return { code: await ended(child), stdout, stderr };
  }

  /** Runs a command in a pseudo-terminal of 80 x 24, made by `script` of util-linux. */
  inTerminal(...args: readonly string[]): TerminalSession {
    const words = [process.execPath, PROGRAM, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
    const command = `stty cols 80 rows 24; exec ${words}`;
    return new TerminalSession(this.spawn('script', ['-qefc', command, '/dev/null'], 'pipe'));
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  private spawn(program: string, args: readonly string[], stdin: 'ignore' | 'pipe'): ChildProcess {
    const { PATH = '' } = process.env;
    const env = { PATH, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1', CSCTL_CONFIG: this.contextFile };
    return spawn(program, args, { env, stdio: [stdin, 'pipe', 'pipe'] });
  }
}

/** A person at a terminal. */
export class TerminalSession {
  private output = '';
  private readonly ending: Promise<number | null>;

  constructor(private readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ending = ended(child);
  }

  /** What the terminal shows, without the sequences that move the cursor. */
  get screen(): string {
    return this.output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '');
  }

  /** Waits for a question, then types. */
  async answer(question: string, keys: string): Promise<void> {
    await eventually(`the terminal shows "${question}"`, ENDS_WITHIN_MS, () => this.screen.includes(question));
    this.child.stdin?.write(keys);
  }

  async end(): Promise<{ readonly code: number | null; readonly screen: string }> {
    const code = await this.ending;
    return { code, screen: this.screen };
  }
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });

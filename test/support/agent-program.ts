import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertNoSecret } from './assert-no-secret.js';
import { eventually } from './eventually.js';

const PROGRAM = fileURLToPath(new URL('../../dist/apps/process-server/src/main.js', import.meta.url));
const END_WITHIN_MS = 60_000;

/** The end of a command. */
export interface AgentResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of `process-server` as a separate process. */
export class AgentProgram {
  stdout = '';
  stderr = '';
  readonly ended: Promise<AgentResult>;
  isRunning = true;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = once(child, 'close').then(([code]) => {
      this.isRunning = false;
      assertNoSecret(this.stdout + this.stderr);
      return { exitCode: code as number | null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<AgentResult> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** A machine: its state folder, its identity and the files that an operator puts on it. */
export class AgentMachine {
  private readonly programs: AgentProgram[] = [];

  private constructor(private readonly folder: string) {}

  static async make(): Promise<AgentMachine> {
    const machine = new AgentMachine(await mkdtemp(join(tmpdir(), 'agent-')));
    await machine.file('machine-id', randomUUID());
    return machine;
  }

  get stateFolder(): string {
    return join(this.folder, 'state');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Writes a file and returns its path. */
  async file(name: string, text: string): Promise<string> {
    await writeFile(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }

  /** What a machine without a network needs to name itself. */
  get facts(): string[] {
    return ['--machine-id-file', this.path('machine-id'), '--ps-ip', '192.0.2.12', '--skip-space-check'];
  }

  spawn(args: readonly string[], environment: NodeJS.ProcessEnv = {}): AgentProgram {
    const env = { PATH: process.env['PATH'], STATE_DIRECTORY: this.stateFolder, ...environment };
    const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const program = new AgentProgram(child);
    this.programs.push(program);
    return program;
  }

  run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<AgentResult> {
    return this.spawn(args, environment).ended;
  }

  /** A daemon after its first line. */
  async daemon(line: string): Promise<AgentProgram> {
    const program = this.spawn(['run']);
    await eventually(`the daemon reports "${line}"`, END_WITHIN_MS, () => {
      if (!program.isRunning) throw new Error(`the daemon ended:\n${program.stderr}`);
      return program.stderr.includes(line);
    });
    return program;
  }

  async status(): Promise<{ exitCode: number | null; codes: string[]; hostId: string }> {
    const { exitCode, stdout } = await this.run(['status', '--json']);
    const {
      findings = [],
      hostId,
      error,
    } = JSON.parse(stdout) as {
      findings?: { code: string }[];
      hostId: string;
      error?: { code: string };
    };
    return { exitCode, codes: error ? [error.code] : findings.map(({ code }) => code), hostId };
  }

  /** The stored host id; null before the installation. */
  async hostId(): Promise<string | null> {
    const text = await readFile(join(this.stateFolder, 'state.json'), 'utf8').catch(() => '');
    return /"hostId": "([^"]+)"/.exec(text)?.[1] ?? null;
  }

  async remove(): Promise<void> {
    for (const program of this.programs) if (program.isRunning) await program.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createConnection, type Connection } from 'mysql2/promise';
import { assertNoSecret } from './assert-no-secret.js';
import { eventually } from './eventually.js';
import { findServersForDataDir, terminateProcess, type RunningDatabase } from '@app/dev-database';

const PROGRAM = fileURLToPath(new URL('../../scripts/launch.mjs', import.meta.url));
/** A start takes about three seconds; on a busy machine, after a crash and with the disk at its limit, much longer. */
const READY_WITHIN_MS = 90_000;
const END_WITHIN_MS = 60_000;

/** A registration whose name, address and machine id are unique to the host id. */
export const registrationOf = (hostId: string): Record<string, unknown> => ({
  friendlyName: `ps-${hostId}`,
  ipAddress: `10.${[1, 3, 5].map((at) => Number.parseInt(hostId.slice(at, at + 2), 16)).join('.')}`,
  osType: 'Windows',
  osVersion: 'Server 2022',
  agentVersion: '1.0.0.0',
  machineId: hostId,
  environment: 'VMware',
  cpuCores: 8,
  memoryBytes: 17_179_869_184,
  cacheDiskBytes: 644_245_094_400,
});

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string>>;

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A run of the configuration server as a separate process, observed by its output. */
export class ServerProgram {
  /** The output so far, stdout and stderr. */
  output = '';
  readonly ended: Promise<Ending>;
  private ending: Ending | null = null;

  private constructor(
    private readonly child: ChildProcess,
    private readonly dataDirectory: string,
  ) {
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve((this.ending = { code, signal })));
    });
  }

  /** Starts the program with a minimal environment: an inherited DATABASE_URL or NODE_OPTIONS would change the test. */
  static async spawn(environment: Environment, options: readonly string[] = []): Promise<ServerProgram> {
    const env = {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      TMPDIR: process.env['TMPDIR'],
      HTTP_PORT: '0',
      LOG_LEVEL: 'warn',
      ...environment,
    };
    const child = spawn(process.execPath, [PROGRAM, ...options], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    await once(child, 'spawn');
    return new ServerProgram(child, environment['DATA_DIRECTORY'] ?? '');
  }

  get isRunning(): boolean {
    return this.ending === null;
  }

  /** The URL that the server prints once it is ready. */
  get url(): string {
    const url = /listens on (\S+)/.exec(this.output)?.[1];
    if (!url) throw new Error(`the server is not ready:\n${this.output}`);
    return url;
  }

  async ready(): Promise<this> {
    await eventually(
      'the server is ready or has ended',
      READY_WITHIN_MS,
      () => !this.isRunning || this.output.includes('Stop it with Ctrl-C'),
    );
    if (!this.isRunning) throw new Error(`the server ended instead of starting:\n${this.output}`);
    return this;
  }

  /** Of the server itself: with a private database, the program that is spawned is its launcher. */
  get pid(): number {
    return (JSON.parse(readFileSync(join(this.dataDirectory, 'server.pid'), 'utf8')) as { pid: number }).pid;
  }

  /** As when the terminal is closed: no output can be written. */
  loseTerminal(): void {
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
    this.signal('SIGHUP');
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Stops the program with a signal and waits for its end. */
  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    this.signal(name);
    return this.end();
  }

  async end(): Promise<Ending> {
    await eventually('the server ends', END_WITHIN_MS, () => !this.isRunning);
    assertNoSecret(this.output);
    return this.ended;
  }
}

/** A data directory in a temporary folder, with the programs that use it. `remove` leaves neither process nor folder. */
export class ServerFolder {
  private readonly programs: ServerProgram[] = [];

  private constructor(
    private readonly folder: string,
    private readonly environment: Environment,
  ) {}

  static async make(environment: Environment = {}): Promise<ServerFolder> {
    return new ServerFolder(await mkdtemp(join(tmpdir(), 'server-program-')), environment);
  }

  /** Copies the data directory that the set-up of the run created by a first start. All copies have the same secrets. */
  async prepare(): Promise<this> {
    const source = process.env['TEST_DATA_DIRECTORY'] ?? '';
    // A sparse copy: the redo log is half a gigabyte and almost empty.
    await promisify(execFile)('cp', ['-a', '--reflink=auto', '--sparse=always', source, this.dataDirectory]);
    return this;
  }

  get dataDirectory(): string {
    return join(this.folder, 'data');
  }

  path(...names: string[]): string {
    return join(this.dataDirectory, ...names);
  }

  /** Starts the program without waiting for readiness. */
  async spawn(environment: Environment = {}, options: readonly string[] = []): Promise<ServerProgram> {
    const program = await ServerProgram.spawn(
      { DATA_DIRECTORY: this.dataDirectory, ...this.environment, ...environment },
      options,
    );
    this.programs.push(program);
    return program;
  }

  /** Starts the program and waits until it listens. */
  async start(environment: Environment = {}): Promise<ServerProgram> {
    return (await this.spawn(environment)).ready();
  }

  async passphrase(): Promise<string> {
    return (await readFile(this.path('connection.passphrase'), 'utf8')).trim();
  }

  async adminKey(): Promise<string> {
    return (await readFile(this.path('admin.key'), 'utf8')).trim();
  }

  /** Ids of the database processes on this data directory; there must never be more than one. */
  databasePids(): number[] {
    return this.databases().map(({ pid }) => pid);
  }

  private databases(): RunningDatabase[] {
    return findServersForDataDir(this.path('database', 'private-database'));
  }

  /** Kills the database with SIGKILL. */
  async killDatabase(): Promise<void> {
    for (const pid of this.databasePids()) await terminateProcess(pid, 0);
  }

  /** Connects to the private database of the server. */
  async connect(): Promise<Connection> {
    const { user: password } = JSON.parse(await readFile(this.path('database', 'database-passwords.json'), 'utf8')) as {
      user: string;
    };
    const [{ socketPath }] = this.databases() as [RunningDatabase];
    return createConnection({
      socketPath,
      user: 'configuration_server',
      database: 'configuration_server',
      password,
      timezone: 'Z',
      supportBigNumbers: true,
    });
  }

  async remove(): Promise<void> {
    for (const program of this.programs) if (program.isRunning) await program.stop('SIGKILL');
    // A start that was killed during initialisation leaves a process that starts late or ends by itself.
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await this.killDatabase();
      await pause(20);
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

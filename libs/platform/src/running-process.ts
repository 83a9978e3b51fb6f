import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * Processes that are known by number only, because another run started them. A number alone proves
 * nothing: the system gives it to the next program. So it is read together with its start or its command.
 */

/** False once the process is gone, and all it held is let go: files, locks, sockets. */
export function isProcessRunning(pid: number): boolean {
  if (!isValidPid(pid)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, as somebody else's.
    if (errorCode(error) !== 'EPERM') return false;
  }
  return !isZombie(readProc(pid, 'stat') ?? '');
}

/**
 * Whether /proc/<pid>/stat tells of a process that only waits for its parent to look at it. The first of several
 * threads shows as a zombie at once; the others, waiting for the disk, may hold the process's files for longer.
 */
export function isZombie(stat: string): boolean {
  const { state, threads } = parseProcStat(stat);
  return state === 'Z' && Number(threads) <= 1;
}

/** The same text as long as the number means the same process. Null when the system does not tell. */
export function processStartTime(pid: number): string | null {
  return (
    parseProcStat(readProc(pid, 'stat') ?? '').start ?? (runPs(['-p', String(pid), '-o', 'lstart=']).trim() || null)
  );
}

export interface ProcessInfo {
  readonly pid: number;
  /** With a "\0" after each argument where the system tells them apart, else a space between two. */
  readonly commandLine: string;
}

/** Every process of these users that was called with this argument and still runs, whatever any file says. */
export function findProcessesByArgument(argument: string, users: readonly number[]): ProcessInfo[] {
  return listProcesses(users).filter(
    ({ pid, commandLine }) => hasArgument(commandLine, argument) && isProcessRunning(pid),
  );
}

/** The user whose file, folder or process (in /proc) this is. Undefined when it is not there. */
export function ownerOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid;
}

/** Asks the process to end, makes it end after `graceMs`, and returns when it is gone. */
export async function terminateProcess(pid: number, graceMs: number): Promise<void> {
  signal(pid, 'SIGTERM');
  if (await isGoneWithin(pid, graceMs)) return;
  signal(pid, 'SIGKILL');
  if (!(await isGoneWithin(pid, 10_000))) throw new Error(`Process ${pid} does not end, not even when killed.`);
}

export interface CommandResult {
  readonly ok: boolean;
  /** What it wrote to both its outputs, or why it could not be run. */
  readonly output: string;
}

/** Runs a program with its output hidden. */
export function runCommand(
  program: string,
  args: readonly string[],
  { input = '', env = process.env } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(program, args, { env });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    child.stdin.on('error', () => undefined); // it ended without reading; its exit code tells
    child.stdin.end(input);
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

export function tail(text: string, count = 15): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** Says what is being waited for once it takes over two seconds, and again every ten. */
export async function withProgress<T>(progress: (line: string) => void, what: string, work: Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const report = () => progress(`${what} (${Math.round((performance.now() - startedAtMs) / 1000)} s) ...`);
  const first = setTimeout(report, 2_000);
  const again = setInterval(report, 10_000);
  try {
    return await work;
  } finally {
    clearTimeout(first);
    clearInterval(again);
  }
}

/** Asks for the property, not for the class: under jest an error of Node's is no instance of the spec's `Error`. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function errorMessage(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** Nought and negative numbers mean groups of processes to `kill`, and 1 is never ours to end. */
function isValidPid(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 0;
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isValidPid(pid) || pid === 1) throw new Error(`${pid} is not a process to end.`);
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function isGoneWithin(pid: number, waitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + waitMs;
  while (isProcessRunning(pid)) {
    if (performance.now() > deadlineMs) return false;
    await pause(50);
  }
  return true;
}

/** Of proc_pid_stat(5): fields 3, 20 and 22, the last in ticks since the machine started. The second, a name, may hold spaces and brackets. */
function parseProcStat(stat: string): {
  state?: string | undefined;
  threads?: string | undefined;
  start?: string | undefined;
} {
  const fromThird = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fromThird[0], threads: fromThird[17], start: fromThird[19] };
}

function listProcesses(users: readonly number[]): ProcessInfo[] {
  const numbers = readdirIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  if (numbers.length > 0)
    return numbers
      .filter((pid) => users.includes(ownerOf(`/proc/${pid}`) ?? NaN))
      .map((pid) => ({ pid, commandLine: readCommandLine(pid) }));
  const lines = runPs(['-A', '-o', 'uid=,pid=,command=']).matchAll(/^ *(\d+) +(\d+) +(.*)$/gm);
  return [...lines].flatMap(([, uid, pid, commandLine = '']) =>
    users.includes(Number(uid)) ? [{ pid: Number(pid), commandLine }] : [],
  );
}

/** Empty for a kernel's own. The first thread that has ended says nothing any more, but those that have not do. */
function readCommandLine(pid: number): string {
  return (
    readProc(pid, 'cmdline') ||
    readdirIn(`/proc/${pid}/task`)
      .map((thread) => readProc(Number(thread), 'cmdline'))
      .find(Boolean) ||
    ''
  );
}

function hasArgument(commandLine: string, argument: string): boolean {
  return commandLine.includes('\0')
    ? commandLine.split('\0').includes(argument)
    : `${commandLine} `.includes(` ${argument} `);
}

function readdirIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // a system without /proc
  }
}

function readProc(pid: number, file: 'stat' | 'cmdline'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // no such process, or a system without /proc
  }
}

function runPs(args: readonly string[]): string {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-ww', ...args], {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 2 ** 20,
    });
  } catch {
    return ''; // ps says by its exit code that there is no such process
  }
}

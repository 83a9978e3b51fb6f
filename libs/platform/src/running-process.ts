import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/*
 * Processes that are known by number only, because another run started them. A number alone proves
 * nothing: the system gives it to the next program. So it is read together with its start or its command.
 */

/** False once the process is gone. A zombie has let go of all it held, so it counts as gone. */
export function isRunning(pid: number): boolean {
  if (!isProcessNumber(pid)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, as somebody else's.
    if (errorCode(error) !== 'EPERM') return false;
  }
  return statusOf(pid)?.[0] !== 'Z';
}

/** The same text as long as the number means the same process. Null when the system does not tell. */
export function startOf(pid: number): string | null {
  // Field 22 of /proc/<pid>/stat, in ticks since the machine started; the status is field 3.
  return statusOf(pid)?.[19] ?? (askPs(pid, 'lstart=').trim() || null);
}

/** Whether the process was called with this argument. False for a process that is gone. */
export function wasCalledWith(pid: number, argument: string): boolean {
  if (!isProcessNumber(pid)) return false;
  const listed = readProc(pid, 'cmdline');
  return listed === undefined ? askPs(pid, 'command=').includes(argument) : listed.split('\0').includes(argument);
}

/** Asks the process to end, makes it end after `graceMs`, and returns when it is gone. */
export async function endProcess(pid: number, graceMs: number): Promise<void> {
  signal(pid, 'SIGTERM');
  if (await isGoneWithin(pid, graceMs)) return;
  signal(pid, 'SIGKILL');
  if (!(await isGoneWithin(pid, 10_000))) throw new Error(`Process ${pid} does not end, not even when killed.`);
}

export interface Outcome {
  readonly ok: boolean;
  /** What it wrote to both its outputs, or why it could not be run. */
  readonly output: string;
}

/** Runs a program with its output hidden. */
export function runToItsEnd(program: string, args: readonly string[], { input = '', env = process.env } = {}): Promise<Outcome> {
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

export function lastLinesOf(text: string, count = 15): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** Says what is being waited for once it takes over two seconds, and again every ten. */
export async function whileSaying<T>(progress: (line: string) => void, what: string, work: Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const say = () => progress(`${what} (${Math.round((performance.now() - startedAtMs) / 1000)} s) ...`);
  const first = setTimeout(say, 2_000);
  const again = setInterval(say, 10_000);
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
function isProcessNumber(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 0;
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isProcessNumber(pid) || pid === 1) throw new Error(`${pid} is not a process to end.`);
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function isGoneWithin(pid: number, waitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + waitMs;
  while (isRunning(pid)) {
    if (performance.now() > deadlineMs) return false;
    await pause(50);
  }
  return true;
}

/** /proc/<pid>/stat from its third field on; the second, a name, may hold spaces and brackets. */
function statusOf(pid: number): string[] | undefined {
  const line = readProc(pid, 'stat');
  return line?.slice(line.lastIndexOf(')') + 2).split(' ');
}

function readProc(pid: number, file: 'stat' | 'cmdline'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // no such process, or a system without /proc
  }
}

function askPs(pid: number, column: string): string {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-ww', '-o', column, '-p', String(pid)], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return ''; // ps says by its exit code that there is no such process
  }
}

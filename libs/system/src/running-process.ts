import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/*
 * Processes that another run started are known only by their pid. The system may reuse a pid, so it is always checked
 * together with the start time or the command line.
 */

/** False once the process has ended and released its files, locks and sockets. */
export function isProcessRunning(pid: number): boolean {
  if (!isValidPid(pid)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: the process is running as another user.
    if (errorCode(error) !== 'EPERM') return false;
  }
  return !isZombie(readProc(pid, 'stat') ?? '');
}

/**
 * Whether /proc/<pid>/stat shows a process that has ended but was not reaped. The first of several threads becomes a
 * zombie at once, while others may keep the files open until their disk writes finish.
 */
export function isZombie(stat: string): boolean {
  const { state, threads } = parseProcStat(stat);
  return state === 'Z' && Number(threads) <= 1;
}

/** Identifies the process of a pid by its start time. Null when the system does not report it. */
export function processStartTime(pid: number): string | null {
  return (
    parseProcStat(readProc(pid, 'stat') ?? '').start ?? (runPs(['-p', String(pid), '-o', 'lstart=']).trim() || null)
  );
}

/** Says what is being waited for once it takes over two seconds, and again every ten. */
export async function withProgress<T>(
  progress: (line: string) => void,
  activity: string,
  work: Promise<T>,
): Promise<T> {
  const startedAtMs = performance.now();
  const report = () => progress(`${activity} (${Math.round((performance.now() - startedAtMs) / 1000)} s) ...`);
  const first = setTimeout(report, 2_000);
  const again = setInterval(report, 10_000);
  try {
    return await work;
  } finally {
    clearTimeout(first);
    clearInterval(again);
  }
}

/** Reads the property instead of testing the class: under jest an error of Node is not an instance of the spec's `Error`. */
export function errorCode(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

export function errorMessage(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error);
}

/** Nought and negative numbers mean groups of processes to `kill`. */
export function isValidPid(pid: number): boolean {
  return Number.isSafeInteger(pid) && pid > 0;
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

export function readProc(pid: number, file: 'stat' | 'cmdline'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // no such process, or no /proc on this system
  }
}

export function runPs(args: readonly string[]): string {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-ww', ...args], {
      encoding: 'utf8',
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 2 ** 20,
    });
  } catch {
    return ''; // ps fails when no such process exists
  }
}

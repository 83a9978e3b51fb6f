import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { runPs, errorCode, isValidPid, isProcessRunning, readProc } from '@app/platform';

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

/** Process 1 is never ours to end. */
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

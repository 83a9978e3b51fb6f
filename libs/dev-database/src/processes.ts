import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { runPs, errorCode, isValidPid, isProcessRunning, readProc } from '@app/platform';

export interface ProcessInfo {
  readonly pid: number;
  /** Arguments end with "\0" if the system separates them, otherwise with a space. */
  readonly commandLine: string;
}

/** Every running process of these users with this argument, whatever any file states. */
export function findProcessesByArgument(argument: string, users: readonly number[]): ProcessInfo[] {
  return listProcesses(users).filter(
    ({ pid, commandLine }) => hasArgument(commandLine, argument) && isProcessRunning(pid),
  );
}

/** The owner of a file, directory or process (in /proc). Undefined if it does not exist. */
export function ownerOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.uid;
}

/** Terminates the process, kills it after `graceMs`, and returns when it is gone. */
export async function terminateProcess(pid: number, graceMs: number): Promise<void> {
  signal(pid, 'SIGTERM');
  if (await isGoneWithin(pid, graceMs)) return;
  signal(pid, 'SIGKILL');
  if (!(await isGoneWithin(pid, 10_000))) throw new Error(`Process ${pid} does not end, even after SIGKILL.`);
}

export interface CommandResult {
  readonly ok: boolean;
  /** Output of both streams, or the error of the start. */
  readonly output: string;
}

/** Runs a program and captures its output. */
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
    child.stdin.on('error', () => undefined); // it ended without reading; its exit code is checked
    child.stdin.end(input);
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output }));
  });
}

export function tail(text: string, count = 15): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** Process 1 is never terminated. */
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  if (!isValidPid(pid) || pid === 1) throw new Error(`${pid} must not be terminated.`);
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

/** Empty for a kernel thread. A first thread that has ended has no command line, but the other threads have one. */
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
    return []; // systems without /proc
  }
}

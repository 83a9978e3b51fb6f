import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { terminateProcess, isProcessRunning, isZombie, findProcessesByArgument } from './running-process.js';

const own = [process.geteuid?.() ?? 0];

const stat = (name: string, state: string, threads: number): string =>
  `71 (${name}) ${state} 1 71 71 0 -1 4228364 9 0 0 0 1 2 0 0 20 0 ${threads} 0 5000 0 0`;

it.each([
  ['sleeps', stat('mariadbd', 'S', 12), false],
  ['waits for the disk', stat('mariadbd', 'D', 1), false],
  ['was killed, and a thread still waits for the disk with the files open', stat('mariadbd', 'Z', 2), false],
  ['was killed, and only its parent has to look', stat('mariadbd', 'Z', 1), true],
  ['was killed, as a kernel says it that counts no more threads', stat('mariadbd', 'Z', 0), true],
  ['has a name that looks like a state', stat('a) Z 1 (b', 'S', 1), false],
  ['is not there', '', false],
])('a process that %s', (_what, line, zombie) => {
  expect(isZombie(line)).toBe(zombie);
});

it('a process is found by its user and by an argument as a whole, until it has ended', async () => {
  const argument = `--mark=${process.pid}.${Date.now()}`;
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', argument]);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  expect(findProcessesByArgument(argument, own)).toEqual([{ pid, commandLine: expect.stringContaining(argument) }]);
  expect(findProcessesByArgument(`${argument}0`, own)).toEqual([]);
  expect(findProcessesByArgument(argument, [(own[0] ?? 0) + 1])).toEqual([]);
  await terminateProcess(pid, 0);
  expect(isProcessRunning(pid)).toBe(false);
  expect(findProcessesByArgument(argument, own)).toEqual([]);
});

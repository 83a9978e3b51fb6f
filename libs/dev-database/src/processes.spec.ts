import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isProcessRunning } from '@app/platform';
import { terminateProcess, findProcessesByArgument } from './processes.js';

const ours = [process.geteuid?.() ?? 0];

it('finds a process by its user and by a whole argument, until it has ended', async () => {
  const argument = `--mark=${process.pid}.${Date.now()}`;
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', argument]);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  expect(findProcessesByArgument(argument, ours)).toEqual([{ pid, commandLine: expect.stringContaining(argument) }]);
  expect(findProcessesByArgument(`${argument}0`, ours)).toEqual([]);
  expect(findProcessesByArgument(argument, [(ours[0] ?? 0) + 1])).toEqual([]);
  await terminateProcess(pid, 0);
  expect(isProcessRunning(pid)).toBe(false);
  expect(findProcessesByArgument(argument, ours)).toEqual([]);
});

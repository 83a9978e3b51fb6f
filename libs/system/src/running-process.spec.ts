import { expect, it } from '@jest/globals';
import { isZombie } from './running-process.js';

const stat = (name: string, state: string, threads: number): string =>
  `71 (${name}) ${state} 1 71 71 0 -1 4228364 9 0 0 0 1 2 0 0 20 0 ${threads} 0 5000 0 0`;

it.each([
  ['sleeps', stat('mariadbd', 'S', 12), false],
  ['waits for the disk', stat('mariadbd', 'D', 1), false],
  ['was killed while a thread waits for the disk with the files open', stat('mariadbd', 'Z', 2), false],
  ['was killed and is not yet reaped by its parent', stat('mariadbd', 'Z', 1), true],
  ['was killed, reported by a kernel that counts no threads then', stat('mariadbd', 'Z', 0), true],
  ['has a name that looks like a state', stat('a) Z 1 (b', 'S', 1), false],
  ['does not exist', '', false],
])('isZombie of a process that %s', (_what, line, zombie) => {
  expect(isZombie(line)).toBe(zombie);
});

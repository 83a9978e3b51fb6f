import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { lockDirectory, DirectoryInUse } from '../../libs/system/src/directory-lock.js';
import { processStartTime } from '../../libs/system/src/running-process.js';

jest.setTimeout(60_000);

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'directory-claim-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const lockFile = () => join(directory, 'server.pid');
const FIRST = '00000000-0000-4000-8000-000000000001';
const SECOND = '00000000-0000-4000-8000-000000000002';

async function writeLockFile(
  file: string,
  claim: { lockId: string; pid: number; processStart?: string | null; url?: string },
): Promise<void> {
  await writeFile(file, JSON.stringify({ processStart: null, url: null, ...claim }));
}

async function aDeadProcess(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? 0;
}

it('rejects a second server, and names the URL of the first', async () => {
  const claim = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toThrow(`is just starting from ${directory} (process ${process.pid})`);

  await claim.publishUrl('http://127.0.0.1:8080');
  await expect(lockDirectory(directory)).rejects.toThrow(
    `A configuration server already runs from ${directory} (process ${process.pid}) at http://127.0.0.1:8080`,
  );
  await expect(lockDirectory(directory)).rejects.toMatchObject({
    name: 'DirectoryInUse',
    pid: process.pid,
    url: 'http://127.0.0.1:8080',
  });
});

it('removes the draft of a process that was killed while it wrote one, and keeps that of a running process', async () => {
  const drafts = [await aDeadProcess(), process.ppid].map((pid) => `server.pid.draft-${pid}-${FIRST}`);
  for (const draft of drafts) await writeFile(join(directory, draft), '');
  await lockDirectory(directory);
  expect((await readdir(directory)).sort()).toEqual(['server.pid', drafts[1]]);
});

it('locks a released directory again, and leaves no files in it', async () => {
  await (await lockDirectory(directory)).release();
  expect(await readdir(directory)).toEqual([]);
  await (await lockDirectory(directory)).release();
});

it('creates a missing directory, readable only by its owner', async () => {
  await lockDirectory(join(directory, 'new', 'data'));
  expect((await stat(join(directory, 'new', 'data'))).mode & 0o777).toBe(0o700);
});

it('the old owner neither publishes its URL in a lock of another server nor releases it', async () => {
  const lost = await lockDirectory(directory);
  await writeLockFile(lockFile(), { lockId: SECOND, pid: 1, url: 'http://127.0.0.1:9' });
  await lost.publishUrl('http://127.0.0.1:8080');
  await lost.release();
  expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ lockId: SECOND, url: 'http://127.0.0.1:9' });
});

it('keeps the lock of a live process of any user', async () => {
  await writeLockFile(lockFile(), { lockId: FIRST, pid: 1, processStart: processStartTime(1) });
  await expect(lockDirectory(directory)).rejects.toBeInstanceOf(DirectoryInUse);
});

it('takes over the lock of a dead process', async () => {
  await writeLockFile(lockFile(), { lockId: FIRST, pid: await aDeadProcess() });
  await lockDirectory(directory);
  expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid });
  expect(await readdir(directory)).toEqual(['server.pid']);
});

it('takes over the lock of a process whose id was reused', async () => {
  await writeLockFile(lockFile(), { lockId: FIRST, pid: process.pid, processStart: '1' });
  await lockDirectory(directory);
});

it.each(['', '{"pid":', 'null', '{"pid":0}'])('takes over a truncated lock file (%j)', async (text) => {
  await writeFile(lockFile(), text);
  await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toBeInstanceOf(DirectoryInUse);
});

it('takes over the lock of a process that died during a takeover', async () => {
  await writeLockFile(lockFile(), { lockId: FIRST, pid: await aDeadProcess() });
  await writeLockFile(`${lockFile()}.after-${FIRST}`, { lockId: SECOND, pid: await aDeadProcess() });
  await lockDirectory(directory);
  expect(await readdir(directory)).toEqual(['server.pid']);
});

it('treats a takeover in progress as a lock', async () => {
  await writeLockFile(lockFile(), { lockId: FIRST, pid: await aDeadProcess() });
  await writeLockFile(`${lockFile()}.after-${FIRST}`, {
    lockId: SECOND,
    pid: process.pid,
    processStart: processStartTime(process.pid),
  });
  await expect(lockDirectory(directory)).rejects.toBeInstanceOf(DirectoryInUse);
});

it('has one winner among many concurrent starts that find a dead lock', async () => {
  const dead = await aDeadProcess();
  for (let round = 0; round < 100; round += 1) {
    await writeLockFile(lockFile(), { lockId: FIRST, pid: dead });
    // Some start later than others, so that they read while the winner cleans up.
    const starters = Array.from({ length: 24 }, async (_, place) => {
      for (let turn = 0; turn < place * (round % 8); turn += 1) await setImmediate();
      return lockDirectory(directory);
    });
    const outcomes = await Promise.allSettled(starters);
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    expect(won).toHaveLength(1);
    await won[0]?.release();
    expect(await readdir(directory)).toEqual([]);
  }
});

it('has one winner among many concurrent starts in a new directory', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => lockDirectory(directory)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

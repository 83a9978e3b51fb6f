import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { isProcessRunning } from '@app/platform';
import { readAt, registerAt } from '../support/program-calls.js';
import { eventually } from '../support/eventually.js';
import { ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
beforeEach(async () => {
  folder = await (await ServerFolder.make()).prepare();
});
afterEach(() => folder.remove());

describe('a kill -9', () => {
  it('of the launcher ends the server; the next start adopts the database', async () => {
    const hostId = randomUUID();
    const first = await folder.start();
    await registerAt(folder, first, hostId);
    const server = first.pid;
    const databases = folder.databasePids();
    await first.stop('SIGKILL');
    expect(isProcessRunning(server)).toBe(false);
    expect(folder.databasePids()).toEqual(databases);

    const second = await folder.start();
    expect(folder.databasePids()).toEqual(databases);
    expect((await readAt(folder, second, `/v1/process-servers/${hostId}`)).status).toBe(200);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(folder.databasePids()).toEqual([]);
  });

  it('of the launcher of a server that hangs: the next start waits until the server has ended', async () => {
    const first = await folder.start();
    const { pid } = first;
    process.kill(pid, 'SIGSTOP');
    first.signal('SIGKILL');
    const lockOwner = (): Promise<number> =>
      readFile(folder.path('launcher.pid'), 'utf8').then((text) => (JSON.parse(text) as { pid: number }).pid);
    const before = await lockOwner();
    const second = await folder.spawn();
    await eventually('the next launcher has the lock', 60_000, async () => (await lockOwner()) !== before);
    process.kill(pid, 'SIGCONT');
    await second.ready();
    expect([isProcessRunning(pid), folder.databasePids().length]).toEqual([false, 1]);
  });

  it('of the server ends the launcher and the database', async () => {
    const first = await folder.start();
    const { pid } = first;
    process.kill(pid, 'SIGKILL');
    expect(await first.end()).toEqual({ code: 137, signal: null });
    expect(folder.databasePids()).toEqual([]);
    expect((await registerAt(folder, await folder.start(), randomUUID())).status).toBe(201);
  });
});

import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { registrationOf, ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
beforeEach(async () => {
  folder = await ServerFolder.make();
});
afterEach(() => folder.remove());

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

it('a first start makes a passphrase and an admin key that only its owner can read, and says where they are but not what', async () => {
  const server = await folder.start({ LOG_LEVEL: 'trace' });
  expect(await modeOf(folder.path('connection.passphrase'))).toBe(0o600);
  expect(await modeOf(folder.path('admin.key'))).toBe(0o600);
  expect(await modeOf(folder.dataDirectory)).toBe(0o700);
  const hostId = randomUUID();
  const registered = await fetch(`${server.url}/v1/process-servers/${hostId}`, {
    method: 'PUT',
    headers: { authorization: `Passphrase ${await folder.passphrase()}`, 'content-type': 'application/json' },
    body: JSON.stringify(registrationOf(hostId)),
  });
  expect(registered.status).toBe(201);
  const read = await fetch(`${server.url}/v1/fleet`, {
    headers: { authorization: `Bearer ${await folder.adminKey()}` },
  });
  expect(read.status).toBe(200);
  await server.stop();

  expect(server.output).toContain(folder.path('connection.passphrase'));
  expect(server.output).toContain(folder.path('admin.key'));
  expect(server.output).not.toContain(await folder.passphrase());
  expect(server.output).not.toContain(await folder.adminKey());
  expect(await readdir(folder.dataDirectory)).toEqual(['admin.key', 'connection.passphrase', 'database', 'site.json']);
});

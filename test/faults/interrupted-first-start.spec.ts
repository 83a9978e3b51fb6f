import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { readAt, registerAt } from '../support/program-calls.js';
import { eventually } from '../support/eventually.js';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
beforeEach(async () => {
  folder = await ServerFolder.make();
});
afterEach(() => folder.remove());

/** Starts for the first time until the file exists. Without one, the start has only begun. */
async function startUntil(...file: string[]): Promise<ServerProgram> {
  const program = await folder.spawn();
  await eventually('the start has come that far', 60_000, () => existsSync(folder.path(...file)));
  return program;
}

/** What exists before the data, during their creation, before the schema and the secrets, and before and after readiness. */
const STAGES: readonly (readonly [stage: string, file: readonly string[]])[] = [
  ['is locked', ['launcher.pid']],
  ['has begun the database', ['database', 'private-database']],
  ['has created the database', ['database', 'database-made.json']],
  ['has a server', ['server.pid']],
  ['has secrets', ['admin.key']],
];

describe('a first start that is killed', () => {
  it.each(STAGES)('when its directory %s is repaired by the next start', async (_stage, file) => {
    await (await startUntil(...file)).stop('SIGKILL');

    const next = await folder.start();
    expect((await registerAt(folder, next, randomUUID())).status).toBe(201);
    expect((await readAt(folder, next, '/v1/fleet')).status).toBe(200);
    expect(folder.databasePids()).toHaveLength(1);
    expect(await next.stop()).toEqual({ code: 0, signal: null });
    expect(folder.databasePids()).toEqual([]);
    expect(await readdir(folder.dataDirectory)).toEqual([
      'admin.key',
      'connection.passphrase',
      'database',
      'site.json',
    ]);
  });
});

it.each(['SIGTERM', 'SIGINT'] as const)(
  'a first start that is stopped by %s leaves no database, and can be repeated',
  async (signal) => {
    await (await startUntil('database', 'database-made.json')).stop(signal);
    expect(folder.databasePids()).toEqual([]);
    await folder.start();
  },
);

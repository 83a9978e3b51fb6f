import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually.js';
import { registrationOf, ServerFolder, type ServerProgram } from '../support/server-program.js';
import { TestDatabase } from '../support/test-database.js';

jest.setTimeout(240_000);

interface ApiResponse {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** The state of an agent. */
interface Agent {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
}

let database: TestDatabase;
let folder: ServerFolder;
let server: ServerProgram;

beforeAll(async () => {
  database = await TestDatabase.make();
  folder = await ServerFolder.make({ DATABASE_URL: database.urlOf(database.address.database) });
});

afterAll(async () => {
  await folder.remove();
  await database.write('DROP DATABASE IF EXISTS ??', [backupOf(database)]);
  await database.drop();
});

const backupOf = ({ address }: TestDatabase): string => `${address.database}_backup`;
const tables = async (): Promise<string[]> =>
  (await database.rows<Record<string, string>>('SHOW TABLES')).flatMap((row) => Object.values(row));

/** Dumps every row of every table, as mysqldump would. */
async function backUp(): Promise<void> {
  await database.write('CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci', [backupOf(database)]);
  for (const table of await tables()) {
    await database.write('CREATE TABLE ??.?? LIKE ??', [backupOf(database), table, table]);
    await database.write('INSERT INTO ??.?? SELECT * FROM ??', [backupOf(database), table, table]);
  }
}

const isAheadOfBackup = async (): Promise<boolean> =>
  (
    await database.rows(
      `SELECT 1 FROM availability_clock AS a JOIN ${backupOf(database)}.availability_clock AS b ON b.id = a.id WHERE a.available_ms > b.available_ms + 500`,
    )
  ).length > 0;

async function loadBackup(): Promise<void> {
  await database.write('SET foreign_key_checks = 0');
  for (const table of await tables()) {
    await database.write('DELETE FROM ??', [table]);
    await database.write('INSERT INTO ?? SELECT * FROM ??.??', [table, backupOf(database), table]);
  }
  await database.write('SET foreign_key_checks = 1');
}

async function call(method: string, path: string, authorization: string, body?: unknown): Promise<ApiResponse> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as ApiResponse['body'] };
}

const admin = async (): Promise<string> => `Bearer ${await folder.adminKey()}`;
const register = async (hostId: string): Promise<Agent & ApiResponse> => {
  const response = await call(
    'PUT',
    `/v1/process-servers/${hostId}`,
    `Passphrase ${await folder.passphrase()}`,
    registrationOf(hostId),
  );
  return {
    hostId,
    generation: response.body['generation'] as number,
    credential: response.body['credential'] as string,
    ...response,
  };
};
const heartbeat = ({ hostId, generation, credential }: Agent): Promise<ApiResponse> =>
  call('POST', `/v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, { generation });
const purge = async ({ hostId, generation }: Agent): Promise<void> => {
  expect(
    (
      await call('POST', `/v1/process-servers/${hostId}/purge`, await admin(), {
        generation,
        reason: 'scrapped',
        force: true,
      })
    ).status,
  ).toBe(200);
};
const rejectionOf = async (agent: Agent): Promise<unknown[]> => {
  const { status, body } = await heartbeat(agent);
  return [status, body['code'], body['instruction']];
};

describe('a database that was restored from a backup', () => {
  it('is detected; with --restored its process servers register again, while purged and revoked ones stay rejected', async () => {
    server = await folder.start();
    const steady = await register(randomUUID());
    const again = await register(randomUUID());
    const leaving = await register(randomUUID());
    const purged = await register(randomUUID());
    const firstPassphrase = await folder.passphrase();
    const { body: readerKey } = await call('POST', '/v1/api-keys', await admin(), { name: 'portal', role: 'reader' });
    await call('DELETE', `/v1/process-servers/${leaving.hostId}`, `Bearer ${leaving.credential}`);
    await backUp();

    const againLater = await register(again.hostId);
    const cancelled = await register(leaving.hostId);
    const newcomer = await register(randomUUID());
    const purgedNewcomer = await register(randomUUID());
    await purge(purged);
    await purge(purgedNewcomer);
    await call('DELETE', `/v1/api-keys/${String(readerKey['keyId'])}`, await admin());
    expect((await call('POST', '/v1/passphrases', await admin(), { overlapSeconds: 0 })).status).toBe(201);
    const firstAdminKey = await folder.adminKey();
    await eventually('the availability clock is ahead of the backup', 30_000, isAheadOfBackup);
    await server.stop();
    await loadBackup();

    server = await folder.start();
    const paragraph = /The database is older than the data directory .* npm start -- --restored /;
    expect(server.output).toMatch(paragraph);
    expect(server.output).toMatch(/passphrase for process servers {3}not in this data directory/);
    const noticed = {
      problems: ['database_older_than_data_directory', 'passphrase_file_unknown'],
      advice: expect.stringMatching(paragraph),
    };
    expect((await call('GET', '/v1/configuration-server', await admin())).body).toMatchObject({
      restore: { epoch: 0, restoredAt: null, generationFloor: 0, ...noticed },
    });
    expect((await call('GET', '/health/ready', '')).body).toEqual({ status: 'degraded', degraded: noticed.problems });
    await server.stop();

    server = await (await folder.spawn({}, ['--restored'])).ready();
    expect(server.output).not.toMatch(/older than the data directory|not in this data directory/);
    const { body: described } = await call('GET', '/v1/configuration-server', await admin());
    const { generationFloor } = described['restore'] as { generationFloor: number };
    expect(described).toMatchObject({
      restore: { epoch: 1, restoredAt: expect.any(String), problems: [], advice: null },
    });
    expect((await call('GET', '/health/ready', '')).body).toEqual({ status: 'ready', degraded: [] });
    expect([generationFloor > 1_000_000, generationFloor < 4_000_000]).toEqual([true, true]);

    expect(await rejectionOf(steady)).toEqual([401, 'credential_revoked', 'reregister']);
    expect(await rejectionOf(againLater)).toEqual([409, 'generation_unknown', 'reregister']);
    expect(await rejectionOf(cancelled)).toEqual([409, 'generation_unknown', 'reregister']);
    expect(await rejectionOf(newcomer)).toEqual([404, 'process_server_not_found', 'reregister']);
    expect(await rejectionOf(purged)).toEqual([410, 'generation_retired', 'ask_operator']);
    expect(await rejectionOf(purgedNewcomer)).toEqual([410, 'generation_retired', 'ask_operator']);

    const back = await Promise.all([steady, againLater, cancelled, newcomer].map(({ hostId }) => register(hostId)));
    expect(back.map(({ status, generation }) => [status, generation])).toEqual(
      [200, 200, 200, 201].map((status) => [status, generationFloor + 1]),
    );
    expect((await Promise.all(back.map(heartbeat))).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(await rejectionOf(againLater)).toEqual([409, 'generation_superseded', 'stop']);

    const byPassphrase = await call(
      'POST',
      `/v1/process-servers/${randomUUID()}/preflight`,
      `Passphrase ${firstPassphrase}`,
      registrationOf(randomUUID()),
    );
    const byKeys = await Promise.all(
      [firstAdminKey, String(readerKey['key'])].map((key) => call('GET', '/v1/fleet', `Bearer ${key}`)),
    );
    expect([byPassphrase, ...byKeys].map(({ status, body }) => [status, body['code']])).toEqual([
      [401, 'passphrase_rejected'],
      [401, 'api_key_rejected'],
      [401, 'api_key_rejected'],
    ]);
    const { items } = (await call('GET', '/v1/process-servers', await admin())).body;
    expect([(items as unknown[]).length, await database.counterErrors()]).toEqual([4, []]);
    const [restored] = (await call('GET', '/v1/events?kind=database_restored', await admin())).body['items'] as Record<
      string,
      unknown
    >[];
    expect(restored).toMatchObject({
      actor: 'configuration-server',
      detail: { epoch: 1, generationFloor, keysRevoked: 2, replica: expect.any(String) },
    });
    await server.stop();

    server = await (await folder.spawn({}, ['--restored'])).ready();
    expect((await call('GET', '/v1/configuration-server', await admin())).body).toMatchObject({
      restore: { epoch: 2, problems: [] },
    });
    expect(await rejectionOf(back[0] as Agent)).toEqual([401, 'credential_revoked', 'reregister']);
    expect((await register(steady.hostId)).generation).toBeGreaterThan(generationFloor + 1_000_000);
    expect(await rejectionOf(purged)).toEqual([410, 'generation_retired', 'ask_operator']);
    await server.stop();
  });

  it('is rejected by name if it is empty', async () => {
    await database.write('DELETE FROM shared_secret');
    const empty = await folder.spawn({}, ['--restored']);
    expect([(await empty.end()).code, empty.output]).toEqual([
      1,
      expect.stringContaining('--restored: the database is empty.'),
    ]);
  });
});

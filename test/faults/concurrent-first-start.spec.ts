import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { registrationOf, ServerFolder } from '../support/server-program.js';
import { TestDatabase } from '../support/test-database.js';

jest.setTimeout(240_000);

/** Every part of a schema except its rows. */
const SHAPE = `
  SELECT CONCAT_WS(' ', 'column', table_name, ordinal_position, column_name, column_type, is_nullable, column_default, collation_name) AS line FROM information_schema.columns WHERE table_schema = ?
  UNION ALL
  SELECT CONCAT_WS(' ', 'index', table_name, index_name, non_unique, seq_in_index, column_name) FROM information_schema.statistics WHERE table_schema = ?
  UNION ALL
  SELECT CONCAT_WS(' ', 'constraint', table_name, constraint_name, constraint_type) FROM information_schema.table_constraints WHERE table_schema = ?
  ORDER BY line`;

/** A schema with every migration, on the database server of the run. */
let migrated: TestDatabase;
const schemas: string[] = [];
const folders: ServerFolder[] = [];

beforeAll(async () => {
  migrated = await TestDatabase.make();
});

afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
  for (const schema of schemas.splice(0)) await migrated.write('DROP DATABASE ??', [schema]);
});

afterAll(() => migrated.drop());

/** This many data directories with the same empty schema. */
async function starters(schema: string, count: number): Promise<ServerFolder[]> {
  await migrated.write('CREATE DATABASE ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci', [schema]);
  schemas.push(schema);
  const environment = { DATABASE_URL: migrated.urlOf(schema) };
  const made = await Promise.all(Array.from({ length: count }, () => ServerFolder.make(environment)));
  folders.push(...made);
  return made;
}

const shapeOf = async (schema: string): Promise<string[]> =>
  (await migrated.rows<{ line: string }>(SHAPE, [schema, schema, schema])).map(({ line }) => line);

const countIn = async (schema: string, table: string): Promise<number> =>
  (await migrated.rows<{ count: number }>('SELECT COUNT(*) AS count FROM ??.??', [schema, table]))[0]?.count ?? 0;

const statusOf = async (url: string, method: string, authorization: string, body?: unknown): Promise<number> =>
  (
    await fetch(url, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  ).status;

/** Ignores the temporary file with which a running server replaces `site.json`. */
const filesIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name !== 'site.json.new');

it.each([1, 2])(
  'two servers that start concurrently on an empty database both serve, and one has the secrets (run %d)',
  async (time) => {
    const schema = `${migrated.address.database}_${time}`;
    const both = await starters(schema, 2);
    const servers = await Promise.all(both.map((folder) => folder.start()));

    const files = await Promise.all(both.map(({ dataDirectory }) => filesIn(dataDirectory)));
    expect(files.map((names) => names.sort()).sort((a, b) => b.length - a.length)).toEqual([
      ['admin.key', 'connection.passphrase', 'server.pid', 'site.json'],
      ['server.pid', 'site.json'],
    ]);
    const winner = files[0]?.length === 4 ? 0 : 1;
    const output = servers.map((server) => server.output);
    expect(output[winner]).toContain(both[winner]?.path('connection.passphrase'));
    expect(output[1 - winner]).not.toContain(both[1 - winner]?.path('connection.passphrase'));
    expect(output[1 - winner]).toContain(
      'passphrase for process servers   not in this data directory: it was created by the first server of this database',
    );

    const passphrase = (await both[winner]?.passphrase()) ?? '';
    const adminKey = (await both[winner]?.adminKey()) ?? '';
    for (const { url } of servers) {
      const hostId = randomUUID();
      expect(
        await statusOf(
          `${url}/v1/process-servers/${hostId}`,
          'PUT',
          `Passphrase ${passphrase}`,
          registrationOf(hostId),
        ),
      ).toBe(201);
      for (const other of servers)
        expect(await statusOf(`${other.url}/v1/process-servers/${hostId}`, 'GET', `Bearer ${adminKey}`)).toBe(200);
    }

    const { database } = migrated.address;
    expect(await shapeOf(schema)).toEqual(await shapeOf(database));
    expect(await countIn(schema, 'migrations')).toBe(await countIn(database, 'migrations'));
    for (const [table, count] of [
      ['passphrase', 1],
      ['api_key', 1],
      ['shared_secret', 3],
      ['availability_clock', 1],
    ] as const)
      expect([table, await countIn(schema, table)]).toEqual([table, count]);
    for (const server of servers) expect(await server.stop()).toEqual({ code: 0, signal: null });
  },
);

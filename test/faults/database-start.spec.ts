import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { readServerSettings } from '@app/platform';
import { MIGRATIONS } from '../../migrations/index.js';
import { StartupError } from '../../apps/configuration-server/src/startup/startup-error.js';
import { migrateOnly } from '../../apps/configuration-server/src/startup/migrate-only.js';
import { startServer } from '../../apps/configuration-server/src/startup/bootstrap.js';
import { createLogger } from '../../apps/configuration-server/src/startup/logger.js';
import { DedicatedDatabaseServer } from '../support/dedicated-database-server.js';
import { ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);

const LIFETIME = { algorithm: 'sha256', notBeforeDate: new Date('2020-01-01'), notAfterDate: new Date('2040-01-01') };

let folder: string;
let database: DedicatedDatabaseServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'database-start-'));
  await chmod(folder, 0o755);
  const authority = async (name: string) =>
    generate([{ name: 'commonName', value: name }], {
      ...LIFETIME,
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'keyUsage', keyCertSign: true },
      ],
    });
  const [trusted, other] = [await authority('private authority'), await authority('another authority')];
  const signed = async (commonName: string) =>
    generate([{ name: 'commonName', value: commonName }], {
      ...LIFETIME,
      ca: { key: trusted.private, cert: trusted.cert },
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: commonName }] }],
    });
  const [server, client] = [await signed('db.example'), await signed('fleet')];
  const files = {
    'ca.pem': trusted.cert,
    'other-ca.pem': other.cert,
    'server.pem': server.cert,
    'server-key.pem': server.private,
    'client.pem': client.cert,
    'client-key.pem': client.private,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  database = await DedicatedDatabaseServer.start([
    `--ssl-ca=${join(folder, 'ca.pem')}`,
    `--ssl-cert=${join(folder, 'server.pem')}`,
    `--ssl-key=${join(folder, 'server-key.pem')}`,
  ]);
  await database.addUser('demands_tls', 'ALL PRIVILEGES', 'REQUIRE SSL');
  await database.addUser('demands_certificate', 'ALL PRIVILEGES', 'REQUIRE X509');
  await database.addUser('serving', 'SELECT, INSERT, UPDATE, DELETE');
});
afterAll(async () => {
  await database.stop();
  await rm(folder, { recursive: true });
});

/** The address of the database for a user, with parameters that name the files above. */
function urlFor(user: string, parameters: Record<string, string> = {}, host = '127.0.0.1'): string {
  const url = new URL(`mysql://${user}:${user}@${host}:${database.port}/fleet`);
  for (const [name, value] of Object.entries(parameters))
    url.searchParams.set(name, name === 'ssl' ? value : join(folder, value));
  return url.href;
}

const settingsFor = (url: string, data: string) =>
  readServerSettings({
    environment: { DATABASE_URL: url, DATA_DIRECTORY: join(folder, data), HTTP_PORT: '0' },
    insecure: false,
    packageVersion: '1.0.0',
  });
const silent = createLogger('silent', { write: () => undefined });

/** The output of `--migrate-only`, or its error. */
async function migrated(url: string): Promise<string> {
  const lines: string[] = [];
  try {
    await migrateOnly(settingsFor(url, 'unused'), silent, (line) => void lines.push(line));
    return lines.join('\n');
  } catch (error) {
    if (error instanceof StartupError) return error.message;
    throw error;
  }
}

/** Starts and stops a server; returns the error of a failed start. */
async function started(url: string, data: string): Promise<string> {
  try {
    const server = await startServer(settingsFor(url, data), silent, () => undefined, {
      newAdminKey: false,
      restored: false,
    });
    const { status } = await fetch(`${server.url}/health/ready`);
    await server.stop();
    return `ready: ${status}`;
  } catch (error) {
    if (error instanceof StartupError) return error.message;
    throw error;
  }
}

const tables = async (): Promise<number> => (await database.rows('SHOW TABLES FROM fleet')).length;

describe('TLS to the database', () => {
  beforeEach(() => database.root.query('SET GLOBAL require_secure_transport = OFF'));

  it.each([
    ['required', { ssl: 'required' }],
    ['verified by the private authority', { ssl: 'verify-ca', sslCa: 'ca.pem' }],
  ])('is used if %s', async (_what, parameters) => {
    await database.root.query('SET GLOBAL require_secure_transport = ON');
    expect(await migrated(urlFor('fleet', parameters))).toMatch(/^The schema (is|was) up to date/m);
  });

  it('rejects a certificate of another authority or name where it is verified', async () => {
    const [authority, name, unverified] = await Promise.all([
      migrated(urlFor('fleet', { ssl: 'verify-ca', sslCa: 'other-ca.pem' })),
      migrated(urlFor('fleet', { ssl: 'verify-identity', sslCa: 'ca.pem' }, 'localhost')),
      migrated(urlFor('fleet', { ssl: 'verify-ca', sslCa: 'ca.pem' }, 'localhost')),
    ]);
    expect(authority).toMatch(/cannot be used as fleet: .*(self.signed certificate|unable to verify)/i);
    expect(name).toMatch(/cannot be used as fleet: .*localhost.*db\.example/);
    expect(unverified).toMatch(/^The schema (is|was) up to date/m);
  });

  it('names a missing TLS requirement of the server', async () => {
    await database.root.query('SET GLOBAL require_secure_transport = ON');
    expect(await migrated(urlFor('fleet'))).toContain('the database demands TLS: add ?ssl=required to DATABASE_URL');
  });

  it('names a missing TLS requirement of the account, but not for a wrong password', async () => {
    expect(await migrated(urlFor('demands_tls'))).toContain(
      'the database demands TLS: add ?ssl=required to DATABASE_URL',
    );
    expect(await migrated(urlFor('demands_tls', { ssl: 'required' }))).toMatch(/up to date/);
    expect(await migrated(urlFor('fleet').replace('fleet:fleet', 'fleet:wrong'))).toMatch(
      /cannot be used as fleet: Access denied[^(]*\(using password: YES\)$/,
    );
  });

  it('presents a client certificate if the account requires one', async () => {
    expect(await migrated(urlFor('demands_certificate', { ssl: 'required' }))).toContain(
      'add sslCert and sslKey to DATABASE_URL',
    );
    expect(
      await migrated(
        urlFor('demands_certificate', {
          ssl: 'verify-ca',
          sslCa: 'ca.pem',
          sslCert: 'client.pem',
          sslKey: 'client-key.pem',
        }),
      ),
    ).toMatch(/up to date/);
  });
});

describe('a user without the right to change the schema', () => {
  beforeEach(() =>
    database.root.query(
      'DROP DATABASE fleet; CREATE DATABASE fleet CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci',
    ),
  );

  it('gets an error with the missing migrations and the remedy, and starts after the migration', async () => {
    const rejection = await started(urlFor('serving'), 'serving');
    expect(rejection).toContain(
      `The schema of the database fleet lacks ${MIGRATIONS.length} migrations (${MIGRATIONS[0]?.name} to ${MIGRATIONS.at(-1)?.name}), and serving lacks the privileges for them`,
    );
    expect(rejection).toContain('Run "npm start -- --migrate-only" once');
    expect(await tables()).toBe(0);

    expect(await migrated(urlFor('fleet'))).toContain(
      `${MIGRATIONS.length} migrations applied, the last ${MIGRATIONS.at(-1)?.name}`,
    );
    expect(await database.rows('SELECT id FROM fleet.passphrase UNION ALL SELECT id FROM fleet.api_key')).toEqual([]);
    expect(await migrated(urlFor('serving'))).toBe('The schema is up to date: no migrations were pending.');
    expect(await started(urlFor('serving'), 'serving')).toBe('ready: 200');
  });

  it('ends the program with one message', async () => {
    const program = await ServerFolder.make({ DATABASE_URL: urlFor('serving') });
    const server = await program.spawn();
    expect(await server.end()).toEqual({ code: 1, signal: null });
    expect(server.output).toContain('Run "npm start -- --migrate-only" once');
    expect(server.output).not.toMatch(/\n {4}at /);
    const migration = await program.spawn({ DATABASE_URL: urlFor('fleet') }, ['--migrate-only']);
    expect(await migration.end()).toEqual({ code: 0, signal: null });
    expect(migration.output).toContain('The schema is up to date');
    await program.remove();
  });
});

describe('a schema that a later version has changed', () => {
  it('is rejected by the name of its migration, and nothing is written', async () => {
    await migrated(urlFor('fleet'));
    await database.root.query(
      "INSERT INTO fleet.migrations (timestamp, name) VALUES (1999999999999, 'AddTheFuture1999999999999')",
    );
    await database.root.query('DELETE FROM fleet.migrations WHERE name = ?', [MIGRATIONS.at(-1)?.name]);
    const before = await database.rows(
      'CHECKSUM TABLE fleet.migrations, fleet.migration_lock, fleet.shared_secret, fleet.api_key, fleet.event, fleet.availability_clock',
    );
    for (const rejection of [await started(urlFor('fleet'), 'future'), await migrated(urlFor('fleet'))]) {
      expect(rejection).toContain(
        'its schema was changed by a later version: this version does not know AddTheFuture1999999999999',
      );
    }
    expect(
      await database.rows(
        'CHECKSUM TABLE fleet.migrations, fleet.migration_lock, fleet.shared_secret, fleet.api_key, fleet.event, fleet.availability_clock',
      ),
    ).toEqual(before);
  });
});

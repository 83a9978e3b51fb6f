import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sha256 } from '@app/platform';
import { assertNoSecret } from '../support/assert-no-secret.js';
import { ADMIN_KEY, aRegistration, TestCluster, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
const secrets: string[] = [];
const responses: TestResponse<object>[] = [];

/** Calls with every kind of rejection, including wrong secrets. */
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { LOG_LEVEL: 'info' } });
  const keep = <One extends TestResponse<object>>(response: One): One => (responses.push(response), response);
  const passphrase = cluster.passphrase.split(' ')[1] ?? '';
  const readerKey = (await cluster.createKey('reader')).split(' ')[1] ?? '';
  secrets.push(passphrase, ADMIN_KEY, readerKey, 'csk_wrong-key-of-the-test', 'wrong-passphrase-of-the-test');

  const server = await cluster.registered();
  const again = await cluster.registered({ previousCredential: server.credential }, server.hostId);
  secrets.push(server.credential, again.credential);
  const url = `/v1/process-servers/${server.hostId}`;
  await cluster.heartbeat(again);
  keep(await cluster.heartbeat(server));
  keep(await cluster.heartbeat({ ...again, credential: `${again.credential}A` }));
  keep(await cluster.register(server.hostId, { machineId: 'machine-2' }));
  keep(
    await cluster.register(
      server.hostId,
      { previousCredential: server.credential },
      0,
      cluster.passphrase,
      '127.0.0.2',
    ),
  );
  keep(await cluster.register(randomUUID(), { agentVersion: '9.64.0.0' }));
  keep(
    await cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: 'Passphrase wrong-passphrase-of-the-test',
    }),
  );
  keep(
    await cluster.call('PUT', `${url}?passphrase=${passphrase}`, {
      body: aRegistration(),
      authorization: cluster.passphrase,
    }),
  );
  keep(await cluster.call('PUT', url, { body: { ...aRegistration(), passphrase }, authorization: cluster.passphrase }));
  keep(
    await cluster.call('PUT', url, {
      body: `{"passphrase":"${passphrase}"`,
      headers: { 'content-type': 'application/json' },
      authorization: cluster.passphrase,
    }),
  );
  keep(await cluster.call('GET', '/v1/fleet', { authorization: 'Bearer csk_wrong-key-of-the-test' }));
  keep(await cluster.call('GET', '/v1/fleet', { authorization: `Bearer ${again.credential}` }));
  keep(await cluster.call('DELETE', url, { authorization: `Bearer ${readerKey}` }));
  keep((await cluster.purge(server.hostId, { generation: 2 })) as TestResponse<object>);
  keep(await cluster.unregister(again));
  keep(await cluster.read(url));
  keep(await cluster.read(`${url}/events`));
  keep(await cluster.read(`${url}/diagnosis`));
  keep(await cluster.read('/v1/events'));
  keep(await cluster.read('/v1/configuration-server'));
  // An internal error, which is logged with all its causes.
  await cluster.database.write('ALTER TABLE process_server RENAME COLUMN friendly_name TO mislaid');
  keep(await cluster.register(randomUUID()));
  keep(await cluster.read('/v1/process-servers'));
  await cluster.database.write('ALTER TABLE process_server RENAME COLUMN mislaid TO friendly_name');
});
afterAll(() => cluster.close());

it('detects each kind of secret in the log', () => {
  for (const secret of secrets.filter((one) => !one.includes('wrong')))
    expect(() => assertNoSecret(`{"msg":"${secret}"}`)).toThrow('the log has 1 secrets');
  expect(() => assertNoSecret('{"requestId":"0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10"}')).not.toThrow();
});

const secretsIn = (text: string): string[] => secrets.filter((secret) => text.includes(secret));

describe('no passphrase, credential or API key', () => {
  it('is in the log, which contains the provoked error', () => {
    expect(cluster.log.join('')).toContain('request failed');
    expect(secretsIn(cluster.log.join(''))).toEqual([]);
    expect(cluster.log.join('')).not.toMatch(/psc_[\w-]{20}|csk_[\w-]{10}/);
  });

  it('is in any response, except the response that issues it', () => {
    expect(responses.map(({ status }) => status)).toEqual([
      409, 401, 409, 409, 422, 401, 400, 400, 400, 401, 403, 403, 409, 202, 200, 200, 200, 200, 200, 500, 500,
    ]);
    for (const { body, headers } of responses) expect(secretsIn(JSON.stringify([body, headers]))).toEqual([]);
  });

  it('is in any column of any table: hashes only', async () => {
    const columns = await cluster.database.rows<{ table: string; name: string }>(
      'SELECT table_name AS `table`, column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2',
    );
    expect(columns.length).toBeGreaterThan(80);
    let cells = 0;
    for (const { table, name } of columns) {
      const rows = await cluster.database.rows<{ text: Buffer | null }>('SELECT CAST(?? AS BINARY) AS text FROM ??', [
        name,
        table,
      ]);
      for (const { text } of rows) {
        cells += 1;
        expect([
          table,
          name,
          secretsIn(String(text?.toString('latin1'))),
          secretsIn(String(text?.toString('utf8'))),
        ]).toEqual([table, name, [], []]);
      }
    }
    expect(cells).toBeGreaterThan(150);
  });

  it('is stored in any form except its SHA-256', async () => {
    const passphrase = cluster.passphrase.split(' ')[1] ?? '';
    for (const [table, secret] of [
      ['passphrase', passphrase],
      ['api_key', ADMIN_KEY],
    ] as const) {
      expect(await cluster.database.rows('SELECT id FROM ?? WHERE hash = ?', [table, sha256(secret)])).toHaveLength(1);
    }
    expect(
      await cluster.database.rows('SELECT host_id FROM process_server_lease WHERE credential_hash = ?', [
        sha256(secrets.at(-1) ?? ''),
      ]),
    ).toHaveLength(1);
  });
});

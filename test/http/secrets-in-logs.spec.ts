import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sha256 } from '@app/platform';
import { mustTellNoSecret } from '../support/secrets-in-text.js';
import { ADMIN_KEY, aRegistration, TestSite, type Answer } from '../support/test-site.js';

let site: TestSite;
const secrets: string[] = [];
const answers: Answer<object>[] = [];

/** A life with every kind of refusal in it, also of secrets that are wrong. */
beforeAll(async () => {
  site = await TestSite.open({ settings: { LOG_LEVEL: 'info' } });
  const keep = <One extends Answer<object>>(answer: One): One => (answers.push(answer), answer);
  const passphrase = site.passphrase.split(' ')[1] ?? '';
  const readerKey = (await site.keyOf('reader')).split(' ')[1] ?? '';
  secrets.push(passphrase, ADMIN_KEY, readerKey, 'csk_wrong-key-of-the-test', 'wrong-passphrase-of-the-test');

  const server = await site.registered();
  const again = await site.registered({ previousCredential: server.credential }, server.hostId);
  secrets.push(server.credential, again.credential);
  const url = `/v1/process-servers/${server.hostId}`;
  await site.heartbeat(again);
  keep(await site.heartbeat(server));
  keep(await site.heartbeat({ ...again, credential: `${again.credential}A` }));
  keep(await site.register(server.hostId, { machineId: 'machine-2' }));
  keep(await site.register(server.hostId, { previousCredential: server.credential }, 0, site.passphrase, '127.0.0.2'));
  keep(await site.register(randomUUID(), { agentVersion: '9.64.0.0' }));
  keep(
    await site.call('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: 'Passphrase wrong-passphrase-of-the-test',
    }),
  );
  keep(
    await site.call('PUT', `${url}?passphrase=${passphrase}`, {
      body: aRegistration(),
      authorization: site.passphrase,
    }),
  );
  keep(await site.call('PUT', url, { body: { ...aRegistration(), passphrase }, authorization: site.passphrase }));
  keep(
    await site.call('PUT', url, {
      body: `{"passphrase":"${passphrase}"`,
      headers: { 'content-type': 'application/json' },
      authorization: site.passphrase,
    }),
  );
  keep(await site.call('GET', '/v1/fleet', { authorization: 'Bearer csk_wrong-key-of-the-test' }));
  keep(await site.call('GET', '/v1/fleet', { authorization: `Bearer ${again.credential}` }));
  keep(await site.call('DELETE', url, { authorization: `Bearer ${readerKey}` }));
  keep((await site.purge(server.hostId, { generation: 2 })) as Answer<object>);
  keep(await site.unregister(again));
  keep(await site.read(url));
  keep(await site.read(`${url}/events`));
  keep(await site.read(`${url}/diagnosis`));
  keep(await site.read('/v1/events'));
  keep(await site.read('/v1/configuration-server'));
  // A failure of ours, which is logged with its whole cause.
  await site.database.write('ALTER TABLE process_server RENAME COLUMN friendly_name TO mislaid');
  keep(await site.register(randomUUID()));
  keep(await site.read('/v1/process-servers'));
  await site.database.write('ALTER TABLE process_server RENAME COLUMN mislaid TO friendly_name');
});
afterAll(() => site.close());

it('a secret in the log would be found, of each kind', () => {
  for (const secret of secrets.filter((one) => !one.includes('wrong')))
    expect(() => mustTellNoSecret(`{"msg":"${secret}"}`)).toThrow('the log has 1 secrets');
  expect(() => mustTellNoSecret('{"requestId":"0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10"}')).not.toThrow();
});

const secretsIn = (text: string): string[] => secrets.filter((secret) => text.includes(secret));

describe('no passphrase, credential or API key', () => {
  it('is in the log, which tells of the failure that was made', () => {
    expect(site.log.join('')).toContain('request failed');
    expect(secretsIn(site.log.join(''))).toEqual([]);
    expect(site.log.join('')).not.toMatch(/psc_[\w-]{20}|csk_[\w-]{10}/);
  });

  it('is in any answer but that to its own registration', () => {
    expect(answers.map(({ status }) => status)).toEqual([
      409, 401, 409, 409, 422, 401, 400, 400, 400, 401, 403, 403, 409, 202, 200, 200, 200, 200, 200, 500, 500,
    ]);
    for (const { body, headers } of answers) expect(secretsIn(JSON.stringify([body, headers]))).toEqual([]);
  });

  it('is in any column of any table: hashes only', async () => {
    const columns = await site.database.rows<{ table: string; name: string }>(
      'SELECT table_name AS `table`, column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2',
    );
    expect(columns.length).toBeGreaterThan(80);
    let cells = 0;
    for (const { table, name } of columns) {
      const rows = await site.database.rows<{ text: Buffer | null }>('SELECT CAST(?? AS BINARY) AS text FROM ??', [
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

  it('is kept but as its SHA-256', async () => {
    const passphrase = site.passphrase.split(' ')[1] ?? '';
    for (const [table, secret] of [
      ['passphrase', passphrase],
      ['api_key', ADMIN_KEY],
    ] as const) {
      expect(await site.database.rows('SELECT id FROM ?? WHERE hash = ?', [table, sha256(secret)])).toHaveLength(1);
    }
    expect(
      await site.database.rows('SELECT host_id FROM process_server_lease WHERE credential_hash = ?', [
        sha256(secrets.at(-1) ?? ''),
      ]),
    ).toHaveLength(1);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
import { parseResponse } from '../support/expect-problem.js';
import { aRegistration, TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';
import { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let server: KnownServer;
let other: KnownServer;
let still: UnchangedState;
beforeAll(async () => {
  cluster = await TestCluster.open();
  server = await cluster.registered();
  other = await cluster.registered({ friendlyName: 'ps-2', ipAddress: '192.0.2.12', machineId: 'machine-2' });
  await cluster.heartbeat(server, { protectedMachineCount: 1 });
  await cluster.heartbeat<Record<string, unknown>>(server, { generation: 0 }); // records once per hour that this server sends malformed heartbeats
  still = await UnchangedState.of(cluster);
});
afterAll(() => cluster.close());

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);
const url = (hostId: string): string => `/v1/process-servers/${hostId}`;
const register = (over: Record<string, unknown>, hostId: string = randomUUID()): Promise<TestResponse> =>
  cluster.register<Record<string, unknown>>(hostId, over);
const registerText = (
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<TestResponse> =>
  cluster.call('PUT', url(randomUUID()), { body, headers, authorization: cluster.passphrase });
const heartbeat = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.heartbeat<Record<string, unknown>>(server, over);
const purge = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.purge<Record<string, unknown>>(other.hostId, { generation: 1, ...over }) as unknown as Promise<TestResponse>;
const ahead = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();
const LONE_SURROGATE = '\ud800';

describe('a registration with an invalid field', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an invalid address', { ipAddress: '300.1.1.1' }, 'ipAddress'],
    ['an address of three parts', { ipAddress: '192.0.2' }, 'ipAddress'],
    ['an address with a leading zero', { ipAddress: '192.0.2.011' }, 'ipAddress'],
    ['an address in hexadecimal', { ipAddress: '0xc0000201' }, 'ipAddress'],
    ['an address with a port', { ipAddress: '192.0.2.1:80' }, 'ipAddress'],
    ['an invalid IPv6 address', { ipAddress: '2001:db8::zz' }, 'ipAddress'],
    ['an IPv6 address with two gaps', { ipAddress: '2001::db8::1' }, 'ipAddress'],
    ['an IPv6 address with a zone', { ipAddress: 'fe80::1%eth0' }, 'ipAddress'],
    ['a host name as address', { ipAddress: 'ps.example.net' }, 'ipAddress'],
    ['the unspecified address', { ipAddress: '0.0.0.0' }, 'ipAddress'],
    ['the broadcast address', { ipAddress: '255.255.255.255' }, 'ipAddress'],
    ['a multicast address', { ipAddress: 'ff02::1' }, 'ipAddress'],
    ['a version of three parts', { agentVersion: '9.63.7187' }, 'agentVersion'],
    ['a version of five parts', { agentVersion: '9.63.7187.1.1' }, 'agentVersion'],
    ['a version with a letter', { agentVersion: '9.63.7187.1a' }, 'agentVersion'],
    ['a version part above 65535', { agentVersion: '9.63.65536.1' }, 'agentVersion'],
    ['a negative version part', { agentVersion: '9.-1.0.0' }, 'agentVersion'],
    ['a version as a number', { agentVersion: 9.63 }, 'agentVersion'],
    ['data port 0', { dataPort: 0 }, 'dataPort'],
    ['data port 65536', { dataPort: 65_536 }, 'dataPort'],
    ['data port -1', { dataPort: -1 }, 'dataPort'],
    ['data port as text', { dataPort: '9443' }, 'dataPort'],
    ['data port with a fraction', { dataPort: 9443.5 }, 'dataPort'],
    ['data port as a list', { dataPort: [9443] }, 'dataPort'],
    ['data port true', { dataPort: true }, 'dataPort'],
    ['cores as text', { cpuCores: '8' }, 'cpuCores'],
    ['zero cores', { cpuCores: 0 }, 'cpuCores'],
    ['negative memory', { memoryBytes: -1 }, 'memoryBytes'],
    ['memory as text', { memoryBytes: '17179869184' }, 'memoryBytes'],
    ['memory above the largest safe integer', { memoryBytes: 9_007_199_254_740_992 }, 'memoryBytes'],
    ['memory of 1e308', { memoryBytes: 1e308 }, 'memoryBytes'],
    ['memory null', { memoryBytes: null }, 'memoryBytes'],
    ['memory "NaN"', { memoryBytes: 'NaN' }, 'memoryBytes'],
    ['another environment', { environment: 'HyperV' }, 'environment'],
    ['an environment in lower case', { environment: 'vmware' }, 'environment'],
    ['a missing name', { friendlyName: undefined }, 'friendlyName'],
    ['an empty name', { friendlyName: '' }, 'friendlyName'],
    ['a blank name', { friendlyName: ' \t ' }, 'friendlyName'],
    ['a name of 256 characters', { friendlyName: 'x'.repeat(256) }, 'friendlyName'],
    ['a name with a line feed', { friendlyName: 'ps\n1' }, 'friendlyName'],
    ['a name with a NUL', { friendlyName: 'ps\u00001' }, 'friendlyName'],
    ['a name with an escape', { friendlyName: '\u001b[31mred' }, 'friendlyName'],
    ['a name with a C1 control', { friendlyName: 'ps\u0085' }, 'friendlyName'],
    ['a name with a lone surrogate', { friendlyName: `ps-${LONE_SURROGATE}` }, 'friendlyName'],
    ['an invisible name', { friendlyName: '\u3164' }, 'friendlyName'],
    ['a name with a right-to-left override', { friendlyName: 'ps\u202e1-nilreb' }, 'friendlyName'],
    ['a name with a trailing space', { friendlyName: 'ps ' }, 'friendlyName'],
    ['a name that is an object', { friendlyName: { first: 'x' } }, 'friendlyName'],
    ['a name that is a list', { friendlyName: ['ps'] }, 'friendlyName'],
    ['a machine id of 129 characters', { machineId: 'x'.repeat(129) }, 'machineId'],
    ['a machine id with a trailing space', { machineId: 'machine-1 ' }, 'machineId'],
    ['a machine id with a leading space', { machineId: ' machine-1' }, 'machineId'],
    ['an operating system of 65 characters', { osType: 'x'.repeat(65) }, 'osType'],
    ['a clock that is not a timestamp', { sentAt: 'yesterday' }, 'sentAt'],
    ['a clock without a zone', { sentAt: '2026-11-23T09:00:00' }, 'sentAt'],
    ['a clock on 30 February', { sentAt: '2026-02-30T09:00:00Z' }, 'sentAt'],
    ['a clock as a number', { sentAt: 1_795_424_400 }, 'sentAt'],
    ['a clock in the year 10000', { sentAt: '10000-01-01T00:00:00Z' }, 'sentAt'],
    ['an unknown field', { favouriteColour: 'blue' }, 'favouriteColour'],
    ['a proxy that is text', { proxy: 'proxy.example.net' }, 'proxy'],
    ['a proxy that is a list', { proxy: [{ used: true }] }, 'proxy'],
    ['a proxy with a password', { proxy: { used: true, password: 'x' } }, 'proxy.password'],
    ['a proxy without `used`', { proxy: {} }, 'proxy.used'],
    ['a proxy port as text', { proxy: { used: true, port: '3128' } }, 'proxy.port'],
    ['a field named constructor', { constructor: 'x' }, 'constructor'],
    ['a field named hasOwnProperty', { hasOwnProperty: 'x' }, 'hasOwnProperty'],
    ['a field named then', { then: 'x' }, 'then'],
    ['a field named toJSON', { toJSON: 'x' }, 'toJSON'],
  ])('%s', async (_what, over, field) => {
    await rejected(await register(over), 'validation_failed', field);
  });

  it.each([
    [{ friendlyName: 'ps\u202e1' }, 'friendlyName must be one line of visible characters; U+202E is not allowed'],
    [{ machineId: 'machine-1 ' }, 'machineId must not end with white space'],
    [{ ipAddress: '::' }, 'ipAddress must be the address of one machine; this one is unspecified'],
    [{ ipAddress: undefined }, 'ipAddress is missing'],
    [{ proxy: {} }, 'proxy.used is missing'],
  ])('is named in the error: %j', async (over, detail) => {
    expect((await register(over)).body).toMatchObject({ detail });
  });

  it('rejects the control port as data port', async () => {
    await rejected(await register({ dataPort: 443 }), 'invalid_data_port', 'dataPort');
  });

  it('rejects a clock more than 15 minutes in the future', async () => {
    await rejected(await register({ sentAt: ahead(901) }), 'clock_in_future', 'sentAt');
  });

  it('names every invalid field in one response', async () => {
    const response = await register({ dataPort: 0, cpuCores: '8', ipAddress: 'x' });
    await rejected(response, 'validation_failed');
    const { errors } = response.body as { errors: { field: string }[] };
    expect(new Set(errors.map(({ field }) => field))).toEqual(new Set(['dataPort', 'cpuCores', 'ipAddress']));
  });
});

describe('the size of a problem response is bounded:', () => {
  const long = 'n'.repeat(60_000);
  const sizeOf = ({ body }: TestResponse): number => JSON.stringify(body).length;

  it('lists 20 of 5,000 unknown fields, and counts all', async () => {
    const response = await register(
      Object.fromEntries(Array.from({ length: 5_000 }, (_, number) => [`f${number}`, 1])),
    );
    await rejected(response, 'validation_failed', 'f0');
    expect(response.body).toMatchObject({ detail: '5000 things are wrong with the fields; here are the first 20.' });
    expect(response.body['errors']).toHaveLength(20);
  });

  it('lists all of 20, and describes the first', async () => {
    const response = await register(Object.fromEntries(Array.from({ length: 20 }, (_, number) => [`f${number}`, 1])));
    expect(response.body).toMatchObject({ detail: 'property f0 should not exist', errors: { length: 20 } });
  });

  it.each<[string, () => Promise<TestResponse>]>([
    ['an unknown field', () => register({ [long]: 1 })],
    ['a nested unknown field', () => register({ proxy: { used: true, [long]: 1 } })],
    ['a field nested too deep', () => register({ [long]: { a: { b: { c: { d: 1 } } } } })],
    ['an unknown query parameter', () => cluster.read(`/v1/process-servers?${long.slice(0, 10_000)}=1`)],
    ['a query parameter of a call that takes none', () => cluster.read(`/v1/fleet?${long.slice(0, 10_000)}=1`)],
  ])('truncates the name of %s', async (_what, call) => {
    const response = await call();
    await rejected(response, 'validation_failed');
    expect(sizeOf(response)).toBeLessThan(1_000);
    expect(response.body['errors']).toEqual([
      { field: expect.stringContaining(`${'n'.repeat(64)}…`), message: expect.stringContaining('n…') },
    ]);
  });
});

describe('a heartbeat without a usable generation', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a generation as text', { generation: '1' }, 'generation'],
    ['generation 0', { generation: 0 }, 'generation'],
    ['generation 4294967296', { generation: 4_294_967_296 }, 'generation'],
    ['generation 1.5', { generation: 1.5 }, 'generation'],
    ['no generation', { generation: undefined }, 'generation'],
  ])('%s', async (_what, over, field) => {
    await rejected(await heartbeat(over), 'validation_failed', field);
  });
});

describe('an operator’s call with an invalid field', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['a generation as text', { generation: '1' }, 'generation'],
    ['force as text', { force: 'true' }, 'force'],
    ['a reason of 501 characters', { reason: 'x'.repeat(501) }, 'reason'],
    ['a reason with a control character', { reason: 'a\u0007' }, 'reason'],
    ['a reason of two lines', { reason: 'scrapped\nby anna' }, 'reason'],
    ['an invisible reason', { reason: '\u200b' }, 'reason'],
    ['an unknown field', { dryRun: true }, 'dryRun'],
  ])('purge: %s', async (_what, over, field) => {
    await rejected(await purge(over), 'validation_failed', field);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an invalid address', { ipAddress: 'x' }, 'ipAddress'],
    ['an invisible name', { friendlyName: '\u00ad' }, 'friendlyName'],
    ['silence as text', { silentForSeconds: '60' }, 'silentForSeconds'],
    ['negative silence', { silentForSeconds: -1 }, 'silentForSeconds'],
    ['an unknown list filter', { sort: 'hostId' }, 'sort'],
  ])('plan: %s', async (_what, body, field) => {
    await rejected(
      await cluster.call('POST', '/v1/purges', { body, authorization: cluster.admin }),
      'validation_failed',
      field,
    );
  });

  it.each<[string, string, Record<string, unknown>, string]>([
    ['a plan id that is not a UUID', 'x', { expectedCount: 0 }, 'planId'],
    ['a count as text', randomUUID(), { expectedCount: '0' }, 'expectedCount'],
    ['a count of 1001', randomUUID(), { expectedCount: 1_001 }, 'expectedCount'],
    ['a missing count', randomUUID(), {}, 'expectedCount'],
  ])('apply: %s', async (_what, planId, body, field) => {
    await rejected(
      await cluster.call('POST', `/v1/purges/${planId}/apply`, {
        body: { reason: 'a', ...body },
        authorization: cluster.admin,
      }),
      'validation_failed',
      field,
    );
  });

  it.each([
    ['force=yes', 'force'],
    ['force=', 'force'],
    ['force=true&force=true', 'force'],
    [`force=true&reason=${'x'.repeat(501)}`, 'reason'],
    ['force=true&reason=a&reason=b', 'reason'],
    ['force=true&reason=%00', 'reason'],
    ['force=true&reason=%E2%80%8B', 'reason'],
    ['why=spare', 'why'],
  ])('decommission with ?%s', async (query, field) => {
    await rejected(
      await cluster.call('DELETE', `${url(server.hostId)}?${query}`, { authorization: cluster.admin }),
      'validation_failed',
      field,
    );
  });
});

describe('an invalid query', () => {
  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=%2010', 'limit'],
    ['limit=NaN', 'limit'],
    ['limit=Infinity', 'limit'],
    ['limit=10&limit=20', 'limit'],
    ['limit[]=10', 'limit[]'],
    ['silentForSeconds=', 'silentForSeconds'],
    ['silentForSeconds=-1', 'silentForSeconds'],
    ['silentForSeconds=99999999999', 'silentForSeconds'],
    ['connectionState=connected', 'connectionState'],
    ['connectionState=Connected&connectionState=Disconnected', 'connectionState'],
    ['lifecycle=', 'lifecycle'],
    ['versionStatus=Old', 'versionStatus'],
    ['health=Good', 'health'],
    ['sort=asOf', 'sort'],
    ['ipAddress=300.1.1.1', 'ipAddress'],
    ['ipAddress=192.0.2.1&ipAddress=192.0.2.2', 'ipAddress'],
    ['friendlyName=', 'friendlyName'],
    ['friendlyName=%00', 'friendlyName'],
    ['friendlyName=%E2%80%AE', 'friendlyName'],
    ['friendlyName=%20ps', 'friendlyName'],
    [`friendlyName=${'x'.repeat(256)}`, 'friendlyName'],
    ['friendlyName=a&friendlyName=b', 'friendlyName'],
    ['colour=blue', 'colour'],
    ['__proto__=1', '__proto__'],
    ['constructor=1', 'constructor'],
    [`cursor=${'x'.repeat(6_001)}`, 'cursor'],
    ['cursor=a&cursor=b', 'cursor'],
    ['cursor=%ff', 'cursor'],
    ['friendlyName=%zz', 'friendlyName'],
    ['friendlyName=ps%', 'friendlyName'],
    ['limit=10&friendlyName=%c3%28', 'friendlyName'],
    ['friendlyName=%ed%a0%80', 'friendlyName'],
    ['%zz=1', '%zz'],
  ])('of the list: ?%s', async (query, field) => {
    await rejected(await cluster.read(`/v1/process-servers?${query}`), 'validation_failed', field);
  });

  it.each([
    ['from=yesterday', 'from'],
    ['to=2026-13-01T00:00:00Z', 'to'],
    ['hostId=x', 'hostId'],
    ['kind=', 'kind'],
    ['actor=%00', 'actor'],
    ['since=1', 'since'],
  ])('of the audit log: ?%s', async (query, field) => {
    await rejected(await cluster.read(`/v1/events?${query}`), 'validation_failed', field);
  });

  it.each(['', 'x', '.', 'a.b', 'a.b.c', '%00', 'é'])('rejects a forged cursor: "%s"', async (cursor) => {
    await rejected(
      await cluster.read(`/v1/process-servers?cursor=${cursor === 'é' ? encodeURIComponent(cursor) : cursor}`),
      'invalid_cursor',
    );
  });

  it.each<['GET' | 'PUT' | 'POST' | 'DELETE', string, string]>([
    ['GET', '', 'admin'],
    ['GET', '/diagnosis', 'admin'],
    ['PUT', '', 'passphrase'],
    ['POST', '/preflight', 'passphrase'],
    ['POST', '/heartbeats', 'credential'],
    ['POST', '/purge', 'admin'],
  ])('%s …%s accepts no query parameter', async (method, path, who) => {
    const authorization =
      who === 'admin' ? cluster.admin : who === 'passphrase' ? cluster.passphrase : `Bearer ${server.credential}`;
    const body =
      who === 'passphrase'
        ? aRegistration()
        : path === '/heartbeats'
          ? { generation: 1 }
          : { generation: 1, reason: 'a', force: true };
    await rejected(
      await cluster.call(method, `${url(server.hostId)}${path}?colour=blue`, {
        authorization,
        ...(method !== 'GET' && { body }),
      }),
      'validation_failed',
      'colour',
    );
  });

  it.each(['/v1/fleet', '/v1/configuration-server', '/health/live', '/health/ready', '/metrics', '/openapi.json'])(
    '%s accepts no query parameter',
    async (path) => {
      await rejected(await cluster.read(`${path}?colour=blue`), 'validation_failed', 'colour');
    },
  );
});

describe('an unreadable body', () => {
  const whole = JSON.stringify(aRegistration());

  it.each<[string, string | Buffer]>([
    ['that is truncated', whole.slice(0, -10)],
    ['with an additional comma', whole.replace('}', ',}')],
    ['with two values', `${whole}${whole}`],
    ['that is not JSON', 'friendlyName=ps'],
    ['with single quotes', "{'a':1}"],
    ['with NaN', whole.replace('"cpuCores":8', '"cpuCores":NaN')],
    ['with Infinity', whole.replace('"cpuCores":8', '"cpuCores":-Infinity')],
    ['with a comment', `/* a */${whole}`],
    [
      'in invalid UTF-8',
      Buffer.concat([Buffer.from(whole.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])]),
    ],
    ['in UTF-16', Buffer.from(whole, 'utf16le')],
    ['with __proto__', whole.replace('{', '{"__proto__":{"admin":true},')],
    ['with a nested __proto__', whole.replace('{', '{"proxy":{"used":true,"__proto__":{"admin":true}},')],
    ['with constructor.prototype', whole.replace('{', '{"constructor":{"prototype":{"admin":true}},')],
    ['of a single NUL', '\u0000'],
    ['of a single space', ' '],
  ])('%s', async (_what, body) => {
    await rejected(await registerText(body), 'malformed_json');
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it.each(['null', '1', '"x"', '[]', '[{}]', 'true', '{}', `[${whole}]`, ''])(
    'that is JSON but not a registration: %s',
    async (body) => {
      await rejected(await registerText(body), 'validation_failed');
    },
  );

  it.each(['null', '1', '"x"', '[]', '{}', ''])('that is JSON but not a heartbeat: %s', async (body) => {
    const response = await cluster.call('POST', `${url(server.hostId)}/heartbeats`, {
      body,
      headers: { 'content-type': 'application/json' },
      authorization: `Bearer ${server.credential}`,
    });
    await rejected(response, 'validation_failed');
  });

  it.each([
    ['/v1/purges', 'null', 'validation_failed'],
    ['/v1/purges', '', 'validation_failed'],
    ['/v1/purges', '{}', 'empty_filter'],
    ['/v1/passphrases', 'null', 'validation_failed'],
    ['/v1/passphrases', '', 'validation_failed'],
    ['/v1/passphrases', '[]', 'validation_failed'],
  ] as const)('of %s that is not an object with values: %j', async (path, body, code) => {
    await rejected(
      await cluster.call('POST', path, {
        body,
        headers: { 'content-type': 'application/json' },
        authorization: cluster.admin,
      }),
      code,
    );
  });

  it.each(['1', '"x"', '[]', '[{"friendlyName":"ps"}]', 'true'])(
    'that is JSON but not an object, for a plan: %s',
    async (body) => {
      await rejected(
        await cluster.call('POST', '/v1/purges', {
          body,
          headers: { 'content-type': 'application/json' },
          authorization: cluster.admin,
        }),
        'validation_failed',
      );
    },
  );

  it('that is missing', async () => {
    await rejected(
      await cluster.call('PUT', url(randomUUID()), { authorization: cluster.passphrase }),
      'validation_failed',
    );
  });

  it.each([
    ['a known field', '"proxy":'],
    ['an unknown field', '"colour":'],
  ])('nested 10,000 deep in %s', async (_what, field) => {
    await rejected(
      await registerText(whole.replace('{', `{${field}${'['.repeat(10_000)}${']'.repeat(10_000)},`)),
      'validation_failed',
    );
    await rejected(
      await registerText(whole.replace('{', `{${field}${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)},`)),
      'validation_failed',
    );
  });

  it('of 10 MB', async () => {
    await rejected(
      await registerText(JSON.stringify(aRegistration({ friendlyName: 'x'.repeat(10_000_000) }))),
      'body_too_large',
    );
  });

  it('one byte above 64 KiB; a body of 64 KiB is accepted', async () => {
    const padded = (length: number): string => whole + ' '.repeat(length - Buffer.byteLength(whole));
    await rejected(await registerText(padded(65_537)), 'body_too_large');
    const response = await cluster.call('POST', `${url(server.hostId)}/preflight`, {
      body: padded(65_536),
      headers: { 'content-type': 'application/json' },
      authorization: cluster.passphrase,
    });
    expect(response.status).toBe(200);
    await still.expectUnchanged();
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/json-seq',
    'multipart/form-data; boundary=a',
    'nonsense',
    ';',
  ])('of type %s', async (type) => {
    await rejected(await registerText(whole, { 'content-type': type }), 'unsupported_media_type');
  });

  it.each<[string, Record<string, string>]>([
    ['gzip', { 'content-encoding': 'gzip' }],
    ['two codings', { 'content-encoding': 'identity, br' }],
    ['ISO 8859-1', { 'content-type': 'application/json; charset=iso-8859-1' }],
    ['UTF-16 in quotes', { 'content-type': 'application/json;charset="utf-16"' }],
    ['an empty charset', { 'content-type': 'application/json; charset=' }],
  ])('declared as %s', async (_what, headers) => {
    await rejected(
      await registerText(whole, { 'content-type': 'application/json', ...headers }),
      'unsupported_media_type',
    );
  });

  it('with a transfer coding', async () => {
    const text = await cluster.raw(
      `PUT ${url(randomUUID())} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    );
    await rejected(parseResponse(text), 'unsupported_media_type');
  });

  it.each([
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=utf8',
    'application/json; version=1',
  ])('but accepts type %s', async (type) => {
    const headers = { 'content-type': type, 'content-encoding': 'identity' };
    const response = await cluster.call('POST', `${url(server.hostId)}/preflight`, {
      body: whole,
      headers,
      authorization: cluster.passphrase,
    });
    expect(response.status).toBe(200);
    await still.expectUnchanged();
  });
});

describe('a host id', () => {
  it.each([
    'x',
    '1',
    'null',
    '%20',
    '..%2f..%2fetc',
    '%00',
    randomUUID().slice(1),
    `${randomUUID()}0`,
    `{${randomUUID()}}`,
    randomUUID().replaceAll('-', ''),
    `${randomUUID()}%0a`,
    "'%20OR%201=1--",
    '%F0%9F%92%A9',
  ])('that is not a UUID: %s', async (hostId) => {
    await rejected(await register({}, hostId), 'validation_failed', 'hostId');
    await rejected(
      await cluster.call('POST', `${url(hostId)}/heartbeats`, {
        body: { generation: 1 },
        authorization: `Bearer ${server.credential}`,
      }),
      'validation_failed',
      'hostId',
    );
    await rejected(await cluster.read(url(hostId)), 'validation_failed', 'hostId');
    await rejected(
      await cluster.call('DELETE', url(hostId), { authorization: cluster.admin }),
      'validation_failed',
      'hostId',
    );
  });

  it('in upper case names the same process server', async () => {
    const { status, body } = await cluster.read(url(server.hostId.toUpperCase()));
    expect([status, body['hostId']]).toEqual([200, server.hostId]);
    expect(
      (await cluster.heartbeat({ ...server, hostId: server.hostId.toUpperCase() }, { protectedMachineCount: 1 }))
        .status,
    ).toBe(200);
    still = await UnchangedState.of(cluster);
  });
});

describe('invalid credentials', () => {
  const heartbeatWith = (authorization: string | undefined): Promise<TestResponse> =>
    cluster.call('POST', `${url(server.hostId)}/heartbeats`, {
      body: { generation: 1 },
      ...(authorization !== undefined && { authorization }),
    });
  const readWith = (authorization: string): Promise<TestResponse> =>
    cluster.call('GET', '/v1/process-servers', { authorization });
  const registerWith = (authorization: string): Promise<TestResponse> =>
    cluster.call('PUT', url(randomUUID()), { body: aRegistration(), authorization });

  it.each<[string, () => Promise<TestResponse>, ProblemCode]>([
    ['a forged credential', () => heartbeatWith(`Bearer psc_${'A'.repeat(91)}`), 'credential_rejected'],
    ['a truncated credential', () => heartbeatWith(`Bearer ${server.credential.slice(0, -1)}`), 'credential_rejected'],
    [
      'a credential with additional characters',
      () => heartbeatWith(`Bearer ${server.credential}AAAA`),
      'credential_rejected',
    ],
    ['the credential of another host', () => heartbeatWith(`Bearer ${other.credential}`), 'credential_rejected'],
    ['no credential', () => heartbeatWith(undefined), 'credential_rejected'],
    ['an empty credential', () => heartbeatWith('Bearer '), 'credential_rejected'],
    ['only the scheme', () => heartbeatWith('Bearer'), 'credential_rejected'],
    ['Basic', () => heartbeatWith('Basic YTpi'), 'credential_rejected'],
    ['the passphrase instead of a credential', () => heartbeatWith(cluster.passphrase), 'credential_rejected'],
    [
      'the passphrase as Bearer',
      () => heartbeatWith(cluster.passphrase.replace('Passphrase', 'Bearer')),
      'credential_rejected',
    ],
    ['an API key instead of a credential', () => heartbeatWith(cluster.admin), 'credential_rejected'],
    ['an unknown API key instead of a credential', () => heartbeatWith('Bearer csk_x'), 'credential_rejected'],
    [
      'a credential instead of the passphrase',
      () => registerWith(`Bearer ${server.credential}`),
      'authentication_required',
    ],
    ['an API key instead of the passphrase', () => registerWith(cluster.admin), 'authentication_required'],
    [
      'an API key as passphrase',
      () => registerWith(cluster.admin.replace('Bearer', 'Passphrase')),
      'passphrase_rejected',
    ],
    ['a wrong passphrase', () => registerWith('Passphrase wrong'), 'passphrase_rejected'],
    ['an empty passphrase', () => registerWith('Passphrase '), 'authentication_required'],
    [
      'a passphrase in the query',
      () =>
        cluster.call('PUT', `${url(randomUUID())}?passphrase=${cluster.passphrase.split(' ')[1] ?? ''}`, {
          body: aRegistration(),
        }),
      'authentication_required',
    ],
    ['an unknown API key', () => readWith('Bearer csk_unknown'), 'api_key_rejected'],
    ['a word instead of an API key', () => readWith('Bearer word'), 'api_key_rejected'],
    ['a credential instead of an API key', () => readWith(`Bearer ${server.credential}`), 'permission_denied'],
    ['the passphrase instead of an API key', () => readWith(cluster.passphrase), 'authentication_required'],
    ['an API key of 4,000 characters', () => readWith(`Bearer csk_${'a'.repeat(4_000)}`), 'api_key_rejected'],
  ])('%s', async (_what, call, code) => {
    await rejected(await call(), code);
  });
});

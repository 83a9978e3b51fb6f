import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import {
  TestCluster,
  type TestResponse,
  type HeartbeatBody,
  type KnownServer,
  type ProblemBody,
} from '../support/test-cluster.js';

describe.each(['on', 'off'])('with HEARTBEAT_FAST_PATH=%s', (fastPath) => {
  let cluster: TestCluster;
  let server: KnownServer;
  beforeAll(async () => {
    cluster = await TestCluster.open({ settings: { HEARTBEAT_FAST_PATH: fastPath } });
  });
  afterAll(() => cluster.close());
  beforeEach(async () => {
    await cluster.database.empty();
    cluster.clock.advanceSeconds(3_600); // another hour, so that refusals are noted anew
    await cluster.recordAvailability();
    server = await cluster.registered();
  });

  interface Accepted extends HeartbeatBody, ProblemBody {
    readonly ignored?: readonly { readonly field: string; readonly message: string }[];
  }

  const JSON_TYPE = { 'content-type': 'application/json' };
  const LONE_SURROGATE = '\ud800';

  const detail = async (): Promise<Record<string, unknown>> =>
    (await cluster.read(`/v1/process-servers/${server.hostId}`)).body;
  const inSeconds = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();
  const send = (
    body: string | Buffer,
    over: Partial<{ headers: Record<string, string>; query: string; credential: string }> = {},
  ): Promise<TestResponse<Accepted>> =>
    cluster.call<Accepted>('POST', `/v1/process-servers/${server.hostId}/heartbeats${over.query ?? ''}`, {
      body,
      headers: over.headers ?? JSON_TYPE,
      authorization: `Bearer ${over.credential ?? server.credential}`,
    });
  /** A heartbeat with these members, as JSON text. */
  const withMembers = (members: string): Promise<TestResponse<Accepted>> =>
    send(`{"generation":1,"agentVersion":"9.63.7187.1",${members}}`);
  const fieldsOf = ({ ignored = [] }: Accepted): string[] => ignored.map(({ field }) => field);

  describe('a heartbeat with a member that is unknown or cannot be used renews the lease, and the response names it', () => {
    it.each<[string, string, string[]]>([
      ['load above 100 %', '"load":{"cpuPercent":100.3}', ['load.cpuPercent']],
      ['negative load', '"load":{"cpuPercent":-0.1}', ['load.cpuPercent']],
      ['load as text', '"load":{"cpuPercent":"37"}', ['load.cpuPercent']],
      ['throughput with a fraction', '"load":{"throughputBytesPerSecond":1234.5}', ['load.throughputBytesPerSecond']],
      ['load of an unknown kind', '"load":{"diskPercent":5}', ['load.diskPercent']],
      ['load that is a list', '"load":[]', ['load']],
      ['services that are an object', '"services":{"name":"a"}', ['services']],
      [
        '65 services',
        `"services":${JSON.stringify(Array.from({ length: 65 }, () => ({ name: 'a', state: 'running' })))}`,
        ['services'],
      ],
      ['a service that is text', '"services":["a"]', ['services.0']],
      ['a service that is a list', '"services":[[{"name":"a","state":"running"}]]', ['services.0']],
      ['a service without a state', '"services":[{"name":"a"}]', ['services.0.state']],
      [
        'a service with a blank at the end of its name',
        '"services":[{"name":"cxps ","state":"running"}]',
        ['services.0.name'],
      ],
      ['a service in no state', '"services":[{"name":"cxps","state":""}]', ['services.0.state']],
      ['a service that is null', '"services":[null]', ['services.0']],
      ['a service with a line separator', '"services":[{"name":"a\\u2028","state":"running"}]', ['services.0.name']],
      ['a negative count', '"protectedMachineCount":-1', ['protectedMachineCount']],
      ['a machine id of 129 characters', JSON.stringify({ machineId: 'x'.repeat(129) }).slice(1, -1), ['machineId']],
      ['an instance of 65 characters', JSON.stringify({ instanceId: 'x'.repeat(65) }).slice(1, -1), ['instanceId']],
      ['an instance that cannot be seen', '"instanceId":"\\u2060"', ['instanceId']],
      [
        'an instance with a lone surrogate',
        JSON.stringify({ instanceId: LONE_SURROGATE }).slice(1, -1),
        ['instanceId'],
      ],
      ['a version of three parts', '"agentVersion":"9.63.1"', ['agentVersion']],
      ['a certificate that never ends', '"certificateExpiresAt":"9999-12-31T23:59:59Z"', ['certificateExpiresAt']],
      ['a clock before 1970', '"sentAt":"1969-12-31T19:00:00-05:00"', ['sentAt']],
      ['a clock in the year 1', '"sentAt":"0001-01-01T00:00:00Z"', ['sentAt']],
      ['a clock in a leap second', '"sentAt":"2026-12-31T23:59:60Z"', ['sentAt']],
      ['a clock in lower case', '"sentAt":"2026-11-28t10:00:00z"', []],
      ['a clock that is no text', '"sentAt":1795424400', ['sentAt']],
      ['a member of a newer agent', '"queueDepth":3', ['queueDepth']],
      ['a name in another script', '"глубина":3', ['глубина']],
      ['__proto__', '"__proto__":{"admin":true}', ['__proto__']],
      ['constructor.prototype', '"constructor":{"prototype":{"admin":true}}', ['constructor']],
      ['then', '"then":1', ['then']],
      ['__proto__ further in', '"load":{"__proto__":{"cpuPercent":1}}', ['load.__proto__']],
      ['an unknown member nested 10,000 deep', `"deep":${'['.repeat(10_000)}${']'.repeat(10_000)}`, ['deep']],
      ['a known member nested 10,000 deep', `"services":${'['.repeat(10_000)}${']'.repeat(10_000)}`, ['services.0']],
      ['two of them', '"mood":"good","protectedMachineCount":"5"', ['protectedMachineCount', 'mood']],
    ])('%s', async (_what, members, fields) => {
      cluster.clock.advanceSeconds(10);
      for (let heartbeat = 0; heartbeat < 2; heartbeat += 1) {
        const { status, body } = await withMembers(members);
        expect([status, body.leaseExpiresAt, fieldsOf(body)]).toEqual([200, inSeconds(180), fields]);
        expect('ignored' in body).toBe(fields.length > 0);
      }
      expect(await detail()).toMatchObject({ lastHeartbeat: inSeconds(0), connectionState: 'Connected' });
      expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
      expect(cluster.errorLines).toEqual([]);
    });

    it.each<[string, Record<string, unknown>, string, Record<string, unknown>]>([
      ['a count', { protectedMachineCount: 12 }, '"protectedMachineCount":-1', { protectedMachineCount: null }],
      [
        'a certificate',
        { certificateExpiresAt: '2027-06-30T00:00:00.000Z' },
        '"certificateExpiresAt":"9999-12-31T23:59:59Z"',
        { certificateExpiresAt: null },
      ],
      [
        'services',
        { services: [{ name: 'a', state: 'stopped' }] },
        '"services":[{"name":"a "}]',
        { services: null, servicesStatus: 'Unknown' },
      ],
      [
        'one value of a load',
        { load: { cpuPercent: 5, freeCacheBytes: 7 } },
        '"load":{"cpuPercent":101,"freeCacheBytes":8}',
        { load: expect.objectContaining({ cpuPercent: null, cpuStatus: 'Unknown', freeCacheBytes: 8 }) },
      ],
      [
        'a load',
        { load: { cpuPercent: 96 } },
        '"load":"high"',
        { load: expect.objectContaining({ cpuPercent: null, cpuStatus: 'Unknown' }), health: 'None' },
      ],
      ['a clock', { sentAt: '2026-11-23T10:00:00Z' }, '"sentAt":"0001-01-01T00:00:00Z"', { clockSkewMs: null }],
      ['an instance', { instanceId: 'a' }, '"instanceId":""', { instanceId: 'a' }],
      ['a version', { agentVersion: '9.62.0.0' }, '"agentVersion":"9.62"', { agentVersion: '9.62.0.0' }],
    ])('what was known before of %s does not stand for the present', async (_what, before, members, after) => {
      await cluster.heartbeat(server, before);
      await send(`{"generation":1,${members}}`);
      expect(await detail()).toMatchObject(after);
    });

    it('a value left out stays as it was when another cannot be used', async () => {
      await cluster.heartbeat(server, { protectedMachineCount: 12 });
      await withMembers('"replicationPairCount":-1');
      expect(await detail()).toMatchObject({ protectedMachineCount: 12, replicationPairCount: null });
    });

    it.each(['-1', '0.5', '9007199254740992', '"1"', 'true'])('a churn of %s is unknown', async (churn) => {
      await cluster.heartbeat(server, { churnBytesPerDay: 12 });
      expect(fieldsOf((await withMembers(`"churnBytesPerDay":${churn}`)).body)).toEqual(['churnBytesPerDay']);
      expect(await detail()).toMatchObject({ churnBytesPerDay: null });
    });

    it('of 5,000 unknown members 20 are named, each name cut', async () => {
      const { status, body } = await send(
        JSON.stringify({
          generation: 1,
          ...Object.fromEntries(Array.from({ length: 5_000 }, (_, number) => [`f${number}`, 1])),
        }),
      );
      expect([status, body.ignored?.length]).toEqual([200, 20]);
      const long = (await withMembers(`"${'n'.repeat(60_000)}":1`)).body;
      expect(fieldsOf(long)).toEqual([`${'n'.repeat(64)}…`]);
      expect(JSON.stringify(long).length).toBeLessThan(1_000);
    });

    it('an unusable count of machines keeps a silent server from being purged on the strength of an earlier count', async () => {
      await cluster.heartbeat(server, { protectedMachineCount: 0 });
      await withMembers('"protectedMachineCount":12.5');
      await withMembers('"replicationPairCount":1');
      await cluster.advance(180);
      expectProblem(await cluster.purge(server.hostId, { generation: 1 }), 'machines_unknown');
      expect((await cluster.purge(server.hostId, { generation: 1, force: true })).status).toBe(200);
    });
  });

  it('of heartbeats that are written as one, each response names its own members', async () => {
    const lockHolder = await cluster.database.connect();
    await lockHolder.query('START TRANSACTION');
    await lockHolder.query('SELECT 1 FROM process_server_lease WHERE host_id = ? FOR UPDATE', [server.hostId]);
    const sent = [
      '"mood":1',
      '"protectedMachineCount":7',
      '"protectedMachineCount":-1',
      '"load":{"cpuPercent":5}',
      '"queueDepth":3',
    ].map(withMembers);
    while (cluster.replica().receiver.queueLength < sent.length) await new Promise((next) => setImmediate(next));
    await lockHolder.query('ROLLBACK');
    await lockHolder.end();
    const responses = await Promise.all(sent);
    expect(responses.map(({ status, body }) => [status, fieldsOf(body)])).toEqual([
      [200, ['mood']],
      [200, []],
      [200, ['protectedMachineCount']],
      [200, []],
      [200, ['queueDepth']],
    ]);
  });

  describe('a heartbeat that cannot be read is refused, and noted because its sender is known', () => {
    const WHOLE = '{"generation":1}';
    it.each<[string, () => Promise<TestResponse<Accepted>>, ProblemCode]>([
      ['no JSON', () => send('generation=1'), 'malformed_json'],
      ['cut off', () => send('{"generation":1'), 'malformed_json'],
      ['NaN', () => send('{"generation":1,"load":{"cpuPercent":NaN}}'), 'malformed_json'],
      ['no UTF-8', () => send(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 'malformed_json'],
      ['a list', () => send('[{"generation":1}]'), 'validation_failed'],
      ['null', () => send('null'), 'validation_failed'],
      ['an empty body', () => send(''), 'validation_failed'],
      ['no generation', () => send('{"agentVersion":"9.63.7187.1"}'), 'validation_failed'],
      ['a generation as text', () => send('{"generation":"1"}'), 'validation_failed'],
      ['a generation further up the prototype', () => send('{"__proto__":{"generation":1}}'), 'validation_failed'],
      ['more than 64 KiB', () => send(WHOLE.padEnd(65_537, ' ')), 'body_too_large'],
      [
        'another media type',
        () => send(WHOLE, { headers: { 'content-type': 'text/plain' } }),
        'unsupported_media_type',
      ],
      [
        'another charset',
        () => send(WHOLE, { headers: { 'content-type': 'application/json; charset=utf-16' } }),
        'unsupported_media_type',
      ],
      [
        'a content coding',
        () => send(WHOLE, { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } }),
        'unsupported_media_type',
      ],
      ['a query parameter', () => send(WHOLE, { query: '?debug=1' }), 'validation_failed'],
      ['a query parameter that cannot be decoded', () => send(WHOLE, { query: '?%ff=1' }), 'validation_failed'],
    ])('%s: once an hour', async (_what, call, code) => {
      for (let heartbeat = 0; heartbeat < 3; heartbeat += 1) expectProblem(await call(), code);
      const [event, ...others] = await cluster.database.rows<Record<string, unknown>>(
        "SELECT generation, actor, source_address, CAST(detail AS CHAR) AS detail FROM event WHERE kind = 'refused_malformed_heartbeat' AND host_id = ?",
        [server.hostId],
      );
      expect(others).toEqual([]);
      expect(event).toMatchObject({ generation: 1, actor: 'process-server', source_address: '127.0.0.1' });
      expect(JSON.parse(String(event?.['detail']))).toMatchObject({
        code,
        call: 'heartbeat',
        explanation: expect.stringMatching(/./),
      });
      await cluster.simulateOutage(3_600);
      await call();
      expect(
        await cluster.database.rows("SELECT id FROM event WHERE kind = 'refused_malformed_heartbeat'"),
      ).toHaveLength(2);
      expect(cluster.errorLines).toEqual([]);
    });

    it.each<[string, () => Promise<TestResponse<Accepted>>]>([
      ['a forged credential', () => send('x', { credential: `psc_${'A'.repeat(91)}` })],
      [
        'the credential of another host',
        async () => send('x', { credential: (await cluster.registered({ machineId: 'machine-2' })).credential }),
      ],
      [
        'no credential',
        () =>
          cluster.call<Accepted>('POST', `/v1/process-servers/${server.hostId}/heartbeats`, {
            body: 'x',
            headers: JSON_TYPE,
          }),
      ],
    ])('with %s its sender is not known, and nothing is noted', async (_what, call) => {
      expect((await call()).status).toBeGreaterThanOrEqual(400);
      expect((await cluster.eventKinds(server.hostId)).filter((kind) => kind.startsWith('refused_'))).toEqual([]);
    });
  });
});

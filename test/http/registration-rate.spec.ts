import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, LOOPBACK, TestCluster, type ProblemBody } from '../support/test-cluster.js';

const ELSEWHERE = '127.0.0.2';
const IN_TEN_SECONDS = 10;
const IN_AN_HOUR = 3;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({
    settings: { REGISTRATIONS_PER_SECOND: '1', REGISTRATIONS_PER_SERVER_PER_HOUR: String(IN_AN_HOUR) },
  });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  cluster.clock.advanceSeconds(3_600);
  await cluster.recordAvailability();
});

const register = (hostId: string = randomUUID(), over: Record<string, unknown> = {}, address = LOOPBACK) =>
  cluster.register<ProblemBody>(hostId, over, 0, cluster.passphrase, address);
const registerMany = async (count: number): Promise<number[]> => {
  const statuses: number[] = [];
  for (let number = 0; number < count; number += 1) statuses.push((await register()).status);
  return statuses;
};
const rejections = async (): Promise<object[]> =>
  (await cluster.read<{ items: object[] }>('/v1/events?kind=refused_registration_rate_exceeded')).body.items;

describe('new host ids above the rate limit', () => {
  it('return 429 and write one event an hour for the site; from another address, or a second later, they are accepted', async () => {
    expect(new Set(await registerMany(IN_TEN_SECONDS))).toEqual(new Set([201]));
    const before = await cluster.database.count('process_server');
    for (const over of [{}, { agentVersion: '9.64.0.0' }]) {
      const rejected = await register(randomUUID(), over);
      expectProblem(rejected, 'registration_rate_exceeded');
      expect([rejected.headers['retry-after'], rejected.body.instruction]).toEqual(['5', 'retry']);
    }
    expect(await cluster.database.count('process_server')).toBe(before);
    const [{ id: passphraseId } = { id: '' }] = await cluster.database.rows<{ id: string }>(
      'SELECT id FROM passphrase',
    );
    expect(await rejections()).toMatchObject([
      { hostId: null, sourceAddress: LOOPBACK, detail: { call: 'register', of: 'new_host_ids', passphraseId } },
    ]);
    expect(await cluster.database.rows("SELECT id FROM event WHERE kind = 'refused_version'")).toEqual([]);
    expect((await register(randomUUID(), {}, ELSEWHERE)).status).toBe(201);
    cluster.clock.advanceSeconds(1);
    expect(await registerMany(2)).toEqual([201, 429]);
  });

  it('do not include host ids with an entry in any state; a removed host id is new again', async () => {
    const [connected, leaving, purged] = [
      await cluster.registered(),
      await cluster.registered(),
      await cluster.registered(),
    ];
    await cluster.unregister(leaving);
    await cluster.purge(purged.hostId, { generation: 1, force: true });
    expect((await registerMany(IN_TEN_SECONDS)).at(-1)).toBe(429);
    expect(
      (await Promise.all([connected, leaving, purged].map(({ hostId }) => register(hostId)))).map(
        ({ status }) => status,
      ),
    ).toEqual([200, 200, 429]);
  });

  it('count only when accepted: a wrong passphrase or a preflight does not count', async () => {
    const body = aRegistration();
    for (let number = 0; number < IN_TEN_SECONDS; number += 1) {
      await cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, { body, authorization: 'Passphrase wrong' });
      await cluster.call('POST', `/v1/process-servers/${randomUUID()}/preflight`, {
        body,
        authorization: cluster.passphrase,
      });
    }
    expect((await registerMany(IN_TEN_SECONDS)).at(-1)).toBe(201);
  });
});

describe('repeated registrations of one host id', () => {
  it('return 429 above its rate limit, with one event an hour; a conflict stays a conflict, and other host ids are unaffected', async () => {
    const [{ hostId }, other] = [await cluster.registered(), await cluster.registered()];
    for (let number = 0; number < IN_AN_HOUR; number += 1) expect((await register(hostId)).status).toBe(200);
    for (let number = 0; number < 2; number += 1) expectProblem(await register(hostId), 'registration_rate_exceeded');
    expectProblem(await register(hostId, { machineId: 'machine-2' }), 'host_id_conflict');
    expect((await register(other.hostId)).status).toBe(200);
    expect(await rejections()).toMatchObject([{ hostId, detail: { of: 'host_id' } }]);
    const { body } = await cluster.read<{ generation: number }>(`/v1/process-servers/${hostId}`);
    expect(body.generation).toBe(1 + IN_AN_HOUR);
    const diagnosis = await cluster.read<{ recommendedActions: string[] }>(`/v1/process-servers/${hostId}/diagnosis`);
    expect(diagnosis.body.recommendedActions.join(' ')).toContain('registered too often, from 127.0.0.1');
    await cluster.simulateOutage(1_200);
    expect((await register(hostId)).status).toBe(200);
  });
});

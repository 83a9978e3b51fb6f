import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, LOOPBACK, TestSite, type ProblemBody } from '../support/test-site.js';

const ELSEWHERE = '127.0.0.2';
const IN_TEN_SECONDS = 10;
const IN_AN_HOUR = 3;

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open({
    settings: { REGISTRATIONS_PER_SECOND: '1', REGISTRATIONS_PER_SERVER_PER_HOUR: String(IN_AN_HOUR) },
  });
});
afterAll(() => site.close());
beforeEach(async () => {
  await site.database.empty();
  site.clock.advanceSeconds(3_600);
  await site.note();
});

const register = (hostId: string = randomUUID(), over: Record<string, unknown> = {}, address = LOOPBACK) =>
  site.register<ProblemBody>(hostId, over, 0, site.passphrase, address);
const registerMany = async (count: number): Promise<number[]> => {
  const statuses: number[] = [];
  for (let number = 0; number < count; number += 1) statuses.push((await register()).status);
  return statuses;
};
const refusals = async (): Promise<object[]> =>
  (await site.read<{ items: object[] }>('/v1/events?kind=refused_registration_rate_exceeded')).body.items;

describe('new host ids above the rate', () => {
  it('get 429 and write one event an hour for the site; from another address, or a second later, they are accepted', async () => {
    expect(new Set(await registerMany(IN_TEN_SECONDS))).toEqual(new Set([201]));
    const before = await site.database.count('process_server');
    for (const over of [{}, { agentVersion: '9.64.0.0' }]) {
      const refused = await register(randomUUID(), over);
      expectProblem(refused, 'registration_rate_exceeded');
      expect([refused.headers['retry-after'], refused.body.instruction]).toEqual(['5', 'retry']);
    }
    expect(await site.database.count('process_server')).toBe(before);
    const [{ id: passphraseId } = { id: '' }] = await site.database.rows<{ id: string }>('SELECT id FROM passphrase');
    expect(await refusals()).toMatchObject([
      { hostId: null, sourceAddress: LOOPBACK, detail: { call: 'register', of: 'new_host_ids', passphraseId } },
    ]);
    expect(await site.database.rows("SELECT id FROM event WHERE kind = 'refused_version'")).toEqual([]);
    expect((await register(randomUUID(), {}, ELSEWHERE)).status).toBe(201);
    site.clock.advanceSeconds(1);
    expect(await registerMany(2)).toEqual([201, 429]);
  });

  it('are not those that have an entry in any state; one that was removed is new again', async () => {
    const [connected, leaving, purged] = [await site.registered(), await site.registered(), await site.registered()];
    await site.unregister(leaving);
    await site.purge(purged.hostId, { generation: 1, force: true });
    expect((await registerMany(IN_TEN_SECONDS)).at(-1)).toBe(429);
    expect(
      (await Promise.all([connected, leaving, purged].map(({ hostId }) => register(hostId)))).map(
        ({ status }) => status,
      ),
    ).toEqual([200, 200, 429]);
  });

  it('are counted by what is accepted: neither a wrong passphrase nor a preflight counts', async () => {
    const body = aRegistration();
    for (let number = 0; number < IN_TEN_SECONDS; number += 1) {
      await site.call('PUT', `/v1/process-servers/${randomUUID()}`, { body, authorization: 'Passphrase wrong' });
      await site.call('POST', `/v1/process-servers/${randomUUID()}/preflight`, {
        body,
        authorization: site.passphrase,
      });
    }
    expect((await registerMany(IN_TEN_SECONDS)).at(-1)).toBe(201);
  });
});

describe('one host id that registers again and again', () => {
  it('gets 429 above its rate, with one event an hour; a conflict stays a conflict, and other host ids are not limited by it', async () => {
    const [{ hostId }, other] = [await site.registered(), await site.registered()];
    for (let number = 0; number < IN_AN_HOUR; number += 1) expect((await register(hostId)).status).toBe(200);
    for (let number = 0; number < 2; number += 1) expectProblem(await register(hostId), 'registration_rate_exceeded');
    expectProblem(await register(hostId, { machineId: 'machine-2' }), 'host_id_conflict');
    expect((await register(other.hostId)).status).toBe(200);
    expect(await refusals()).toMatchObject([{ hostId, detail: { of: 'host_id' } }]);
    const { body } = await site.read<{ generation: number }>(`/v1/process-servers/${hostId}`);
    expect(body.generation).toBe(1 + IN_AN_HOUR);
    const diagnosis = await site.read<{ whatToDo: string[] }>(`/v1/process-servers/${hostId}/diagnosis`);
    expect(diagnosis.body.whatToDo.join(' ')).toContain('registered too often, from 127.0.0.1');
    await site.outage(1_200);
    expect((await register(hostId)).status).toBe(200);
  });
});

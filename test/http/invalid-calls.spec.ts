import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openInvalidRequestSite, processServerUrl as url } from '../support/invalid-requests.js';
import type { TestCluster, TestResponse, KnownServer } from '../support/test-cluster.js';
import { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let server: KnownServer;
let other: KnownServer;
let still: UnchangedState;
beforeAll(async () => {
  ({ cluster, server, other, still } = await openInvalidRequestSite());
});
afterAll(() => cluster.close());

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);
const register = (over: Record<string, unknown>, hostId: string = randomUUID()): Promise<TestResponse> =>
  cluster.register<Record<string, unknown>>(hostId, over);
const heartbeat = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.heartbeat<Record<string, unknown>>(server, over);
const purge = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.purge<Record<string, unknown>>(other.hostId, { generation: 1, ...over }) as unknown as Promise<TestResponse>;

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

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EventLogQuery } from '@app/fleet-mysql';
import type { EventDto } from '@app/api-contract';
import { TestCluster, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { DATABASE_POOL_SIZE: '1' } });
});
afterAll(() => cluster.close());

const eventsOf = async (hostId: string): Promise<readonly EventDto[]> =>
  (await cluster.read<{ items: EventDto[] }>(`/v1/process-servers/${hostId}/events`)).body.items;
const requestIdOf = ({ headers }: TestResponse<object>): unknown => headers['x-request-id'];

describe('the event of a change', () => {
  it('has the actor, the source address and the request id of the response, also when changes are written in one batch', async () => {
    const hostId = randomUUID();
    const responses: TestResponse<object>[] = [await cluster.register(hostId)];
    const server = {
      hostId,
      generation: 1,
      credential: String((responses[0]?.body as Record<string, unknown>)['credential']),
    };
    responses.push(await cluster.heartbeat(server, { agentVersion: '9.62.1.1' }));
    responses.push(await cluster.heartbeat(server, { machineId: 'machine-2', agentVersion: '9.62.1.1' }));
    await cluster.advance(1); // events of the same timestamp are ordered by id
    responses.push(await cluster.unregister(server));
    responses.push(await cluster.purge(hostId, { generation: 1 }));
    expect(responses.map(({ status }) => status)).toEqual([201, 200, 409, 202, 200]);
    const events = await eventsOf(hostId);
    expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([
      ['registered', 'process-server'],
      ['version_changed', 'process-server'],
      ['refused_host_id_conflict', 'process-server'],
      ['decommissioned', 'process-server'],
      ['purged', 'operator:admin'],
    ]);
    expect(events.map(({ requestId }) => requestId)).toEqual(responses.map(requestIdOf));
    expect(new Set(events.map(({ sourceAddress }) => sourceAddress))).toEqual(new Set(['127.0.0.1']));
  });

  it('has no source address when no request caused it', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    await cluster.advance(300);
    await cluster.replica().cleanUp.run();
    expect((await eventsOf(server.hostId)).at(-1)).toMatchObject({
      kind: 'removed',
      actor: 'clean-up',
      sourceAddress: null,
      requestId: null,
    });
  });
});

describe('the export', () => {
  const exported = async (query = ''): Promise<{ until: string; lines: EventDto[] }> => {
    const { status, body, headers } = await cluster.read<{ text: string }>(`/v1/events/export${query}`);
    expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    return {
      until: String(headers['x-exported-until']),
      lines: body.text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as EventDto),
    };
  };

  it('writes each event on one line, equal to its form in the event list, for any number of events', async () => {
    const at = new Date(cluster.clock.now().getTime() - 3_600_000);
    const many = Array.from({ length: 2_500 }, () => [
      randomUUID(),
      at,
      'purged',
      null,
      null,
      'operator:bulk',
      '{"text":"a\\nb"}',
    ]);
    await cluster.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [
      many,
    ]);
    await cluster.advance(10);
    const { lines } = await exported('?actor=operator:bulk');
    expect(lines.map(({ id }) => id)).toEqual(many.map(([id]) => id).sort());
    const [listed] = (await cluster.read<{ items: EventDto[] }>('/v1/events?actor=operator:bulk&limit=1')).body.items;
    expect(lines[0]).toEqual(listed);
  });

  it('continues where the previous one ended, without a gap or a repetition', async () => {
    const first = await exported('?kind=registered');
    const server = await cluster.registered();
    const second = await exported(`?kind=registered&from=${first.until}`);
    await cluster.advance(11);
    const third = await exported(`?kind=registered&from=${second.until}`);
    expect([second.lines, third.lines.map(({ hostId }) => hostId)]).toEqual([[], [server.hostId]]);
  });

  it('stops reading after a HEAD, whose response has no body', async () => {
    const pages = jest.spyOn(EventLogQuery.prototype, 'fetchPage');
    try {
      const { status, headers } = await cluster.call('HEAD', '/v1/events/export?actor=operator:bulk', {
        authorization: cluster.admin,
      });
      expect([status, headers['content-type'], typeof headers['x-exported-until']]).toEqual([
        200,
        'application/x-ndjson; charset=utf-8',
        'string',
      ]);
      await exported('?actor=operator:bulk'); // takes longer than the aborted export would have
      expect(pages.mock.calls.length).toBe(1 + Math.floor(2_500 / 200) + 1);
    } finally {
      pages.mockRestore();
    }
  });

  it('rejects unknown filters', async () => {
    for (const query of ['?kind=nothing', '?limit=5', '?hostId=x', '?from=yesterday'])
      expect((await cluster.read(`/v1/events/export${query}`)).status).toBe(400);
  });
});

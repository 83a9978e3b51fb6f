import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EventReader } from '@app/fleet-mysql';
import type { EventBody } from '@app/wire';
import { TestSite, type Answer } from '../support/test-site.js';

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open();
});
afterAll(() => site.close());

const eventsOf = async (hostId: string): Promise<readonly EventBody[]> => (await site.read<{ items: EventBody[] }>(`/v1/process-servers/${hostId}/events`)).body.items;
const requestIdOf = ({ headers }: Answer<object>): unknown => headers['x-request-id'];

describe('each change has its event', () => {
  it('with who made it, from where, and the request id of the answer, also when many are written together', async () => {
    const hostId = randomUUID();
    const answers: Answer<object>[] = [await site.register(hostId)];
    const server = { hostId, generation: 1, credential: String((answers[0]?.body as Record<string, unknown>)['credential']) };
    answers.push(await site.heartbeat(server, { agentVersion: '9.62.1.1' }));
    answers.push(await site.heartbeat(server, { machineId: 'machine-2', agentVersion: '9.62.1.1' }));
    await site.pass(1); // events of one instant are in the order of their ids
    answers.push(await site.unregister(server));
    answers.push(await site.purge(hostId, { generation: 1 }));
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 409, 202, 200]);
    const events = await eventsOf(hostId);
    expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([
      ['registered', 'process-server'],
      ['version_changed', 'process-server'],
      ['refused_host_id_conflict', 'process-server'],
      ['decommissioned', 'process-server'],
      ['purged', 'operator:admin'],
    ]);
    expect(events.map(({ requestId }) => requestId)).toEqual(answers.map(requestIdOf));
    expect(new Set(events.map(({ sourceAddress }) => sourceAddress))).toEqual(new Set(['127.0.0.1']));
  });

  it('without an address when nobody called', async () => {
    const server = await site.registered();
    await site.unregister(server);
    await site.pass(300);
    await site.replica().cleanUp.pass();
    expect((await eventsOf(server.hostId)).at(-1)).toMatchObject({ kind: 'removed', actor: 'clean-up', sourceAddress: null, requestId: null });
  });
});

describe('the export', () => {
  const exported = async (query = ''): Promise<{ until: string; lines: EventBody[] }> => {
    const { status, body, headers } = await site.read<{ text: string }>(`/v1/events/export${query}`);
    expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson']);
    return { until: String(headers['x-exported-until']), lines: body.text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as EventBody) };
  };

  it('has each event on a line of its own, as the log shows it, however many there are', async () => {
    const at = new Date(site.clock.now().getTime() - 3_600_000);
    const many = Array.from({ length: 2_500 }, () => [randomUUID(), at, 'purged', null, null, 'operator:bulk', '{"text":"a\\nb"}']);
    await site.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [many]);
    await site.pass(10);
    const { lines } = await exported('?actor=operator:bulk');
    expect(lines.map(({ id }) => id)).toEqual(many.map(([id]) => id).sort());
    const [listed] = (await site.read<{ items: EventBody[] }>('/v1/events?actor=operator:bulk&limit=1')).body.items;
    expect(lines[0]).toEqual(listed);
  });

  it('goes on where the one before ended, without a gap and without a repetition', async () => {
    const first = await exported('?kind=registered');
    const server = await site.registered();
    const second = await exported(`?kind=registered&from=${first.until}`);
    await site.pass(11);
    const third = await exported(`?kind=registered&from=${second.until}`);
    expect([second.lines, third.lines.map(({ hostId }) => hostId)]).toEqual([[], [server.hostId]]);
  });

  it('is not read on for a HEAD, whose answer has none of it', async () => {
    const pages = jest.spyOn(EventReader.prototype, 'page');
    try {
      const { status, headers } = await site.call('HEAD', '/v1/events/export?actor=operator:bulk', { authorization: site.admin });
      expect([status, headers['content-type'], typeof headers['x-exported-until']]).toEqual([200, 'application/x-ndjson', 'string']);
      await exported('?actor=operator:bulk'); // by when the other would have gone on
      expect(pages.mock.calls.length).toBe(1 + 3);
    } finally {
      pages.mockRestore();
    }
  });

  it('refuses what is no filter', async () => {
    for (const query of ['?kind=nothing', '?limit=5', '?hostId=x', '?from=yesterday']) expect((await site.read(`/v1/events/export${query}`)).status).toBe(400);
  });
});

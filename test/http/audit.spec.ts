import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EventLogQuery } from '@app/fleet-mysql';
import type { EventDto } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import { eventually } from '../support/server-program.js';
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

describe('exports that the client does not read', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  beforeAll(async () => {
    const at = new Date(cluster.clock.now().getTime() - 7_200_000);
    const long = JSON.stringify({ text: 'x'.repeat(4_000) });
    const many = Array.from({ length: 5_000 }, () => [randomUUID(), at, 'purged', null, null, 'operator:long', long]);
    for (let first = 0; first < many.length; first += 500)
      await cluster.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [
        many.slice(first, first + 500),
      ]);
    await cluster.advance(10);
  });

  /** More than the system buffers for a client that does not read. */
  const EXPORT = '/v1/events/export?actor=operator:long';

  /** Sends several export requests on one connection, and reads only the head of the first response. */
  async function unread(replica: number, authorization: string, count = 1): Promise<string> {
    const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    sockets.push(socket);
    socket.write(`GET ${EXPORT} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\n\r\n`.repeat(count));
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    return String(head).slice(0, 12);
  }

  it('are limited to two at once per key and four in total; a further one is rejected with Retry-After', async () => {
    const replica = await cluster.addReplica();
    const [first, second, third] = [
      await cluster.createKey('reader'),
      await cluster.createKey('reader'),
      await cluster.createKey('reader'),
    ];
    expect([await unread(replica, first), await unread(replica, first)]).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expectProblem(await cluster.call('GET', EXPORT, { authorization: first, replica }), 'request_rate_exceeded');
    expect([await unread(replica, second), await unread(replica, third)]).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
    expectProblem(await cluster.call('GET', EXPORT, { authorization: third, replica }), 'request_rate_exceeded');
    for (const socket of sockets.splice(0, 2)) socket.destroy();
    await eventually(
      'another export can start',
      10_000,
      async () => (await cluster.call('HEAD', EXPORT, { authorization: first, replica })).status === 200,
    );
  });

  it('hold no database connection, and read from the database only as far as they are sent', async () => {
    const pages = jest.spyOn(EventLogQuery.prototype, 'fetchPage');
    try {
      for (let export_ = 0; export_ < 2; export_ += 1) expect(await unread(0, cluster.admin)).toBe('HTTP/1.1 200');
      let before = -1;
      for (let same = 0; same < 20; same = before === pages.mock.calls.length ? same + 1 : 0) {
        before = pages.mock.calls.length;
        expect((await cluster.read('/v1/fleet')).status).toBe(200);
      }
      expect(before).toBeLessThan(2 * (5_000 / 200));
    } finally {
      pages.mockRestore();
    }
  });

  it('end after a time limit, including exports queued behind another on the same connection', async () => {
    const replica = await cluster.addReplicaWith({ maxUnreadExportMs: 300 });
    expect(await unread(replica, cluster.admin, 4)).toBe('HTTP/1.1 200');
    await eventually('the connection is closed', 10_000, () => cluster.replica(replica).connections.size === 0);
    await eventually('both have ended', 10_000, async () => {
      const responses = await Promise.all(
        [1, 2].map(() =>
          cluster.call<{ text: string }>('GET', `${EXPORT}&from=2000-01-01T00:00:00Z&to=2000-01-02T00:00:00Z`, {
            authorization: cluster.admin,
            replica,
          }),
        ),
      );
      return responses.every(({ status }) => status === 200);
    });
  });

  it('continue while the client reads slowly', async () => {
    const replica = await cluster.addReplicaWith({ maxUnreadExportMs: 2_000 });
    expect(await unread(replica, cluster.admin)).toBe('HTTP/1.1 200');
    const [socket] = sockets as [Socket];
    let text = '';
    socket.on('data', (chunk) => {
      text = text.slice(-5) + String(chunk);
      socket.pause();
    });
    const reading = setInterval(() => socket.resume(), 5);
    await eventually('the export is complete or aborted', 60_000, () => text.endsWith('0\r\n\r\n') || socket.destroyed);
    clearInterval(reading);
    expect(text.endsWith('0\r\n\r\n')).toBe(true);
  }, 90_000);
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

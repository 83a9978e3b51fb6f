import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EventLogQuery } from '@app/fleet-mysql';
import { expectProblem } from '../support/expect-problem.js';
import { eventually } from '../support/eventually.js';
import { TestCluster } from '../support/test-cluster.js';

let cluster: TestCluster;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { DATABASE_POOL_SIZE: '1' } });
  const at = new Date(cluster.clock.now().getTime() - 7_200_000);
  const long = JSON.stringify({ text: 'x'.repeat(4_000) });
  const many = Array.from({ length: 5_000 }, () => [randomUUID(), at, 'purged', null, null, 'operator:long', long]);
  for (let first = 0; first < many.length; first += 500)
    await cluster.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [
      many.slice(first, first + 500),
    ]);
  await cluster.advance(10);
});
afterAll(() => cluster.close());

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

describe('exports that the client does not read', () => {
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

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';

interface Event {
  readonly id: string | null;
  readonly at: string;
  readonly kind: string;
  readonly hostId: string | null;
  readonly generation: number | null;
  readonly actor: string;
  readonly detail: Record<string, unknown>;
}
interface Events {
  readonly items: readonly Event[];
  readonly nextCursor: string | null;
  readonly followCursor: string | null;
  readonly asOf: string;
}
let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  cluster.clock.advanceSeconds(3_600);
  await cluster.recordAvailability();
});

const timeline = (hostId: string, query = ''): Promise<TestResponse<Events>> =>
  cluster.read<Events>(`/v1/process-servers/${hostId}/events${query}`);
const audit = (query = ''): Promise<TestResponse<Events>> => cluster.read<Events>(`/v1/events${query}`);
const kinds = ({ items }: Events): string[] => items.map(({ kind }) => kind);
const now = (): string => cluster.clock.now().toISOString();
const inTurn = async (): Promise<KnownServer> => {
  const server = await cluster.registered();
  await cluster.advance(20);
  await cluster.heartbeat(server, { agentVersion: '9.62.0.0' });
  await cluster.advance(20);
  await cluster.unregister(server);
  await cluster.advance(20);
  return server;
};

describe('the timeline', () => {
  it('lists the events, oldest first, each with its actor', async () => {
    const { hostId } = await inTurn();
    const { status, body } = await timeline(hostId);
    expect([status, kinds(body)]).toEqual([200, ['registered', 'version_changed', 'decommissioned']]);
    for (const event of body.items)
      expect(event).toMatchObject({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        hostId,
        generation: 1,
        actor: 'process-server',
      });
    expect(body).toMatchObject({ nextCursor: null, asOf: now() });
  });

  it('ends with the ongoing silence, which starts at the last heartbeat', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    const from = now();
    await cluster.advance(185);
    const { body } = await timeline(server.hostId);
    expect(body.items.at(-1)).toEqual({
      id: null,
      at: from,
      kind: 'silence',
      hostId: server.hostId,
      generation: 1,
      actor: 'configuration-server',
      sourceAddress: null,
      requestId: null,
      detail: { from, to: null, silentForSeconds: 185 },
    });
  });

  it.each(['heartbeat', 'registration', 'unregistration'])(
    'keeps a silence that a %s ended, with its start and its end',
    async (call) => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      const from = now();
      await cluster.advance(185);
      if (call === 'heartbeat') await cluster.heartbeat(server);
      else if (call === 'registration') await cluster.registered({}, server.hostId);
      else await cluster.unregister(server);
      const { body } = await timeline(server.hostId);
      expect(body.items.filter(({ kind }) => /silence/.test(kind))).toMatchObject([
        { kind: 'silence_ended', at: now(), generation: 1, detail: { from, to: now() } },
      ]);
    },
  );

  it.each(['Connected', 'Decommissioned', 'purged'])('of a %s host has no ongoing silence', async (state) => {
    const server = await cluster.registered();
    if (state === 'Decommissioned') await cluster.unregister(server);
    if (state !== 'Connected') await cluster.advance(185);
    if (state === 'purged') await cluster.purge(server.hostId, { generation: 1 });
    expect(kinds((await timeline(server.hostId)).body)).not.toContain('silence');
  });

  it('of a removed host stays readable', async () => {
    const server = await inTurn();
    await cluster.advance(300);
    await cluster.replica().cleanUp.run();
    expect(kinds((await timeline(server.hostId)).body)).toEqual([
      'registered',
      'version_changed',
      'decommissioned',
      'removed',
    ]);
  });

  it('in pages returns each event once', async () => {
    const { hostId } = await inTurn();
    const first = (await timeline(hostId, '?limit=2')).body;
    const second = (await timeline(hostId, `?limit=2&cursor=${encodeURIComponent(first.nextCursor ?? '')}`)).body;
    expect([...kinds(first), ...kinds(second)]).toEqual(['registered', 'version_changed', 'decommissioned']);
    expect(second.nextCursor).toBeNull();
  });

  it.each([1, 2, 3, 100])(
    'in pages of %d never exceeds the limit, and ends with the ongoing silence',
    async (limit) => {
      const server = await cluster.registered();
      await cluster.heartbeat(server, { agentVersion: '9.62.0.0' });
      await cluster.advance(185);
      const pages: Events[] = [];
      do {
        const cursor = pages.at(-1)?.nextCursor;
        pages.push(
          (await timeline(server.hostId, `?limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`))
            .body,
        );
      } while (pages.at(-1)?.nextCursor);
      expect(pages.flatMap(kinds)).toEqual(['registered', 'version_changed', 'silence']);
      for (const { items } of pages) expect(items.length).toBeLessThanOrEqual(limit);
    },
  );

  it.each([1, 2, 3, 100])('newest first in pages of %d starts with the ongoing silence', async (limit) => {
    const server = await cluster.registered();
    await cluster.advance(1);
    await cluster.heartbeat(server, { agentVersion: '9.62.0.0' });
    await cluster.advance(185);
    const pages: Events[] = [];
    do {
      const cursor = pages.at(-1)?.nextCursor;
      pages.push(
        (
          await timeline(
            server.hostId,
            `?order=newest&limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
          )
        ).body,
      );
    } while (pages.at(-1)?.nextCursor);
    expect(pages.flatMap(kinds)).toEqual(['silence', 'version_changed', 'registered']);
    for (const { items, followCursor } of pages) expect([items.length <= limit, followCursor]).toEqual([true, null]);
  });

  it('includes events at from and excludes events at to; the ongoing silence is shown if it overlaps the window', async () => {
    const server = await cluster.registered();
    const registered = now();
    await cluster.advance(20);
    await cluster.heartbeat(server, { agentVersion: '9.62.0.0' });
    const lastSeen = now();
    await cluster.advance(185);
    const later = new Date(cluster.clock.now().getTime() + 1).toISOString();
    for (const order of ['oldest', 'newest']) {
      const shown = async (query: string): Promise<string[]> =>
        kinds((await timeline(server.hostId, `?order=${order}&${query}`)).body).sort();
      expect(await shown(`from=${registered}&to=${lastSeen}`)).toEqual(['registered']);
      expect(await shown(`from=${lastSeen}`)).toEqual(['silence', 'version_changed']);
      expect(await shown(`from=${now()}`)).toEqual(['silence']);
      expect(await shown(`from=${later}`)).toEqual([]);
      expect(await shown(`to=${registered}`)).toEqual([]);
      expect(await shown(`from=${now()}&to=${lastSeen}`)).toEqual([]);
    }
  });

  it('rejects a cursor with another order or window', async () => {
    const { hostId } = await inTurn();
    const cursor = encodeURIComponent((await timeline(hostId, '?limit=1')).body.nextCursor ?? '');
    expectProblem(await timeline(hostId, `?limit=1&order=newest&cursor=${cursor}`), 'invalid_cursor');
    expectProblem(await timeline(hostId, `?limit=1&from=${now()}&cursor=${cursor}`), 'invalid_cursor');
    expect((await timeline(hostId, `?limit=1&order=oldest&cursor=${cursor}`)).status).toBe(200);
  });

  it.each([
    { at: 'now', id: '' },
    { at: '+010000-01-01T00:00:00.000Z', id: '' },
    { at: '2026-01-01T00:00:00.000Z', id: 'ü' },
    { at: '2026-01-01T00:00:00.000Z', id: '', availableMs: '1' },
    { id: '' },
  ])('a cursor with a malformed state is refused: %j', async (state) => {
    const { hostId } = await inTurn();
    const { nextCursor } = (await timeline(hostId, '?limit=1')).body;
    const [query] = JSON.parse(Buffer.from(nextCursor ?? '', 'base64url').toString()) as [object];
    const cursor = Buffer.from(JSON.stringify([query, state])).toString('base64url');
    expectProblem(await timeline(hostId, `?limit=1&cursor=${cursor}`), 'invalid_cursor');
  });

  it.each(['', '?order=newest', '?from=2026-01-01T00:00:00Z'])('of an unknown host id: 404 (%s)', async (query) => {
    expectProblem(await timeline(randomUUID(), query), 'process_server_not_found');
  });
});

describe('the audit log', () => {
  it('lists the events of the whole site, and can be filtered', async () => {
    const [one, other] = [await inTurn(), await cluster.registered({ machineId: 'machine-2' })];
    await cluster.purge(other.hostId, { generation: 1, force: true });
    expect((await audit()).body.items).toHaveLength(5);
    expect(kinds((await audit('?kind=decommissioned')).body)).toEqual(['decommissioned']);
    expect(kinds((await audit(`?hostId=${one.hostId.toUpperCase()}`)).body)).toEqual([
      'registered',
      'version_changed',
      'decommissioned',
    ]);
    expect(kinds((await audit('?actor=operator:admin')).body)).toEqual(['purged_by_force']);
    expect(kinds((await audit(`?hostId=${one.hostId}&kind=registered`)).body)).toEqual(['registered']);
  });

  it('includes events at from and excludes events at to', async () => {
    await cluster.registered();
    const at = now();
    const later = new Date(cluster.clock.now().getTime() + 1).toISOString();
    const count = async (query: string): Promise<number> => (await audit(query)).body.items.length;
    expect(await count(`?from=${at}`)).toBe(1);
    expect(await count(`?from=${later}`)).toBe(0);
    expect(await count(`?to=${at}`)).toBe(0);
    expect(await count(`?from=${at}&to=${later}`)).toBe(1);
  });

  it('newest first returns the same in reverse order', async () => {
    await inTurn();
    const [oldest, newest] = [(await audit()).body, (await audit('?order=newest')).body];
    expect(newest.items).toEqual([...oldest.items].reverse());
    expect([newest.nextCursor, newest.followCursor]).toEqual([null, null]);
    expectProblem(await audit('?order=sideways'), 'validation_failed');
  });

  it('of an unknown kind: 400 that lists the known kinds', async () => {
    const response = await audit('?kind=birthday');
    expectProblem(response, 'validation_failed');
    expect(response.body).toMatchObject({
      errors: [{ field: 'kind', message: expect.stringContaining('registered') }],
    });
  });

  it('can be followed: the newest events may repeat, none is missed', async () => {
    await cluster.registered();
    const first = (await audit()).body;
    expect(first.nextCursor).toBeNull();
    await cluster.advance(5);
    const { hostId } = await cluster.registered({ machineId: 'machine-2' });
    const second = (await audit(`?cursor=${encodeURIComponent(first.followCursor ?? '')}`)).body;
    expect(second.items.map((event) => event.hostId)).toContain(hostId);
    await cluster.advance(20);
    const third = (
      await audit(
        `?cursor=${encodeURIComponent((await audit(`?cursor=${encodeURIComponent(second.followCursor ?? '')}`)).body.followCursor ?? '')}`,
      )
    ).body;
    expect(third.items).toEqual([]);
  });

  it('when followed, returns an event that was committed late, with a timestamp in the last ten seconds', async () => {
    const { followCursor } = (await audit()).body;
    const late = randomUUID();
    const at = new Date(cluster.clock.now().getTime() - 9_999);
    await cluster.database.write('INSERT INTO event SET ?', [
      { id: late, at, kind: 'service_outage', actor: 'late', detail: '{}' },
    ]);
    const { body } = await audit(`?cursor=${encodeURIComponent(followCursor ?? '')}`);
    expect(body.items.map(({ id }) => id)).toContain(late);
  });

  it('nextCursor never exceeds asOf minus ten seconds', async () => {
    for (let number = 0; number < 3; number += 1) await cluster.registered({ machineId: `machine-${number}` });
    const first = (await audit('?limit=2')).body;
    const second = (await audit(`?limit=1000&cursor=${encodeURIComponent(first.nextCursor ?? '')}`)).body;
    expect(second.items).toHaveLength(3);
  });

  it('has an event for a service outage', async () => {
    const from = now();
    await cluster.simulateOutage(100);
    expect((await audit('?kind=service_outage')).body.items).toMatchObject([
      { hostId: null, actor: 'replica-0', detail: { from, to: now() } },
    ]);
  });
});

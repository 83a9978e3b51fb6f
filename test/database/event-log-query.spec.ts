import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { EventKind, FleetEvent } from '@app/fleet';
import { EventLogQuery, type EventFilter, type EventSortOrder, type EventPosition } from '@app/fleet-mysql';
import { TestStores } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.testDatabase.empty());
afterAll(() => stores.close());

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

interface Written {
  readonly ageMs: number;
  readonly id?: string;
  readonly kind?: EventKind;
  readonly hostId?: string | null;
  readonly actor?: string;
}

const timestampOf = (ageMs: number): Date => new Date(stores.clock.now().getTime() - ageMs);

async function write({
  ageMs,
  id = randomUUID(),
  kind = 'registered',
  hostId = null,
  actor = 'anna',
}: Written): Promise<string> {
  await stores.testDatabase.write(
    'INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES (?, ?, ?, ?, 1, ?, ?)',
    [id, timestampOf(ageMs), kind, hostId, actor, '{"a":[1,null]}'],
  );
  return id;
}

/** Reads on until there is no more. */
async function paginate(
  filter: EventFilter,
  limit: number,
  sortOrder: EventSortOrder = 'oldest',
): Promise<FleetEvent[]> {
  const seen: FleetEvent[] = [];
  let position: EventPosition | null = null;
  do {
    const { items, next }: Awaited<ReturnType<typeof stores.events.fetchPage>> = await stores.events.fetchPage(
      filter,
      limit,
      position,
      sortOrder,
    );
    seen.push(...items);
    position = next;
  } while (position);
  return seen;
}

describe('pagination of the event log', () => {
  it.each([1, 2, 3, 7, 100])('in pages of %d returns each event once, oldest first, then by id', async (limit) => {
    const ids = Array.from({ length: 7 }, () => randomUUID()).sort();
    for (const [number, id] of [...ids.entries()].reverse())
      await write({ ageMs: 60_000 - Math.floor(number / 3), id });
    expect((await paginate({}, limit)).map(({ id }) => id)).toEqual(ids);
  });

  it.each([1, 2, 3, 7, 100])('newest first in pages of %d returns the reverse order', async (limit) => {
    const ids = Array.from({ length: 7 }, () => randomUUID()).sort();
    for (const [number, id] of ids.entries()) await write({ ageMs: 60 - Math.floor(number / 3), id });
    expect((await paginate({}, limit, 'newest')).map(({ id }) => id)).toEqual([...ids].reverse());
  });

  it('newest first can start with an empty page, and has no tail position', async () => {
    const id = await write({ ageMs: 0 });
    const { items, next, tail } = await stores.events.fetchPage({}, 0, null, 'newest');
    expect([items, tail]).toEqual([[], null]);
    expect((await stores.events.fetchPage({}, 1, next, 'newest')).items.map((event) => event.id)).toEqual([id]);
  });

  it('returns an event as written', async () => {
    const [id, hostId] = [randomUUID(), randomUUID()];
    await write({ ageMs: 60_000, id, hostId, kind: 'purged_by_force' });
    expect(await paginate({}, 10)).toEqual([
      {
        id,
        at: timestampOf(60_000),
        kind: 'purged_by_force',
        hostId,
        generation: 1,
        actor: 'anna',
        sourceAddress: null,
        requestId: null,
        detail: { a: [1, null] },
      },
    ]);
  });

  it('returns the events that match the filter', async () => {
    const hostId = randomUUID();
    const mine = await write({ ageMs: 50_000, hostId });
    const purged = await write({ ageMs: 40_000, hostId, kind: 'purged', actor: 'bert' });
    const elsewhere = await write({ ageMs: 30_000, hostId: randomUUID(), kind: 'purged' });
    const found = async (filter: EventFilter): Promise<string[]> => (await paginate(filter, 1)).map(({ id }) => id);
    expect(await found({ hostId })).toEqual([mine, purged]);
    expect(await found({ kind: 'purged' })).toEqual([purged, elsewhere]);
    expect(await found({ kinds: ['purged', 'removed'] })).toEqual([purged, elsewhere]);
    expect(await found({ hostId, kinds: ['purged', 'registered'] })).toEqual([mine, purged]);
    expect(await found({ actor: 'bert' })).toEqual([purged]);
    expect(await found({ hostId, kind: 'purged', actor: 'anna' })).toEqual([]);
    expect(await found({ from: timestampOf(40_000) })).toEqual([purged, elsewhere]);
    expect(await found({ to: timestampOf(40_000) })).toEqual([mine]);
    expect(await found({ from: timestampOf(40_000), to: timestampOf(30_000) })).toEqual([purged]);
  });
});

describe('the filter by actor', () => {
  it('is exact: another spelling matches another actor', async () => {
    const spellings = ['operator:anna', 'operator:Anna', 'operator:ánna', 'OPERATOR:ANNA'];
    const ids: string[] = [];
    for (const actor of spellings) ids.push(await write({ ageMs: 60_000, actor }));
    for (const [number, actor] of spellings.entries())
      expect((await paginate({ actor }, 10)).map(({ id }) => id)).toEqual([ids[number]]);
  });

  it('uses its own index, without a sort', async () => {
    const rows = Array.from({ length: 2_000 }, (_, number) => [
      randomUUID(),
      timestampOf(60_000 + number),
      'registered',
      number % 100 ? 'process-server' : 'operator:anna',
      '{}',
    ]);
    await stores.testDatabase.write('INSERT INTO event (id, at, kind, actor, detail) VALUES ?', [rows]);
    await stores.testDatabase.rows('ANALYZE TABLE event');
    stores.database.statements.length = 0;
    const { items } = await stores.events.fetchPage({ actor: 'operator:anna' }, 100, null);
    const [sql = ''] = stores.database.statements;
    const plan = await stores.testDatabase.rows<{ key: string | null; Extra: string | null }>(
      `EXPLAIN FORMAT=TRADITIONAL ${sql}`,
      ['operator:anna', 101],
    );
    expect([items.length, plan.map(({ key, Extra }) => [key, /filesort/.test(Extra ?? '')])]).toEqual([
      20,
      [['ix_actor', false]],
    ]);
  });
});

describe('a page of the event log, in either order', () => {
  const HOST = randomUUID();
  /** Many events of one kind and host, as from an agent that restarts in a loop. */
  const fill = async (): Promise<void> => {
    const rows = Array.from({ length: 4_000 }, (_, number) => [
      randomUUID(),
      timestampOf(60_000 + number),
      number % 400 ? 'registered_again' : 'refused_version',
      number % 4 ? HOST : randomUUID(),
      'a',
      '{}',
    ]);
    await stores.testDatabase.write('INSERT INTO event (id, at, kind, host_id, actor, detail) VALUES ?', [rows]);
    await stores.testDatabase.rows('ANALYZE TABLE event');
  };

  it('uses an index forwards or backwards, without a sort', async () => {
    await fill();
    const cases: [EventFilter, string][] = [
      [{ hostId: HOST }, 'ix_host'],
      [{ hostId: HOST, from: timestampOf(70_000), to: timestampOf(60_100) }, 'ix_host'],
      [{ hostId: HOST, kind: 'refused_version' }, 'ix_host'],
      [
        { hostId: HOST, kinds: ['refused_version', 'refused_host_id_conflict'], from: timestampOf(86_400_000) },
        'ix_host',
      ],
      [{ kind: 'refused_version' }, 'ix_kind'],
      [{}, 'ix_at'],
      [{ from: timestampOf(63_000) }, 'ix_at'],
    ];
    for (const sortOrder of ['oldest', 'newest'] as const) {
      for (const [filter, index] of cases) {
        for (const position of [null, { at: timestampOf(62_000).toISOString(), id: LAST_ID }]) {
          stores.database.reads.length = 0;
          await stores.events.fetchPage(filter, 100, position, sortOrder);
          const [{ sql, parameters } = { sql: '', parameters: [] }] = stores.database.reads;
          const plan = await stores.database.rows<{ key: string | null; Extra: string | null }>(
            `EXPLAIN FORMAT=TRADITIONAL ${sql}`,
            parameters,
          );
          expect([
            sortOrder,
            filter,
            plan.map(({ key, Extra }) => [key, /filesort|temporary/.test(Extra ?? '')]),
          ]).toEqual([sortOrder, filter, [[index, false]]]);
        }
      }
    }
  });
});

describe('the tail position', () => {
  const visibleUntil = (): EventPosition => ({ at: timestampOf(10_000).toISOString(), id: LAST_ID });

  it.each([
    [10_001, false],
    [10_000, true],
    [9_999, true],
    [0, true],
  ])('after an event of age %d ms is limited by the visibility lag: %s', async (ageMs, isLimited) => {
    const id = await write({ ageMs });
    const { tail, next, asOf } = await stores.events.fetchPage({}, 10, null);
    expect(tail).toEqual(isLimited ? visibleUntil() : { at: timestampOf(ageMs).toISOString(), id });
    expect([next, asOf]).toEqual([null, stores.clock.now()]);
  });

  it('of an empty log is ten seconds in the past', async () => {
    expect(await stores.events.fetchPage({}, 10, null)).toEqual({
      items: [],
      next: null,
      tail: visibleUntil(),
      asOf: stores.clock.now(),
    });
  });

  it('stays unchanged without new events', async () => {
    const position = { at: timestampOf(60_000).toISOString(), id: randomUUID() };
    expect((await stores.events.fetchPage({}, 10, position)).tail).toEqual(position);
  });

  it('is never within the last 10 s', async () => {
    for (const ageMs of [30_000, 20_000, 10_000, 5_000, 0]) await write({ ageMs });
    for (const limit of [1, 2, 3, 4]) {
      const { next } = await stores.events.fetchPage({}, limit, null);
      expect(next && next.at <= visibleUntil().at).toBe(true);
    }
  });

  it('lets no reader miss an event that was committed late', async () => {
    const early = await write({ ageMs: 0 });
    const first = await stores.events.fetchPage({}, 10, null);
    expect(first.items.map(({ id }) => id)).toEqual([early]);
    stores.clock.advanceMs(4_000);
    // Its transaction began before the event above and committed later.
    const late = await write({ ageMs: 4_500 });
    const second = await stores.events.fetchPage({}, 10, first.tail);
    expect(second.items.map(({ id }) => id)).toEqual([late, early]);
    stores.clock.advanceMs(20_000);
    const third = await stores.events.fetchPage({}, 10, second.tail);
    expect(third.items.map(({ id }) => id)).toEqual([late, early]);
    expect((await stores.events.fetchPage({}, 10, third.tail)).items).toEqual([]);
  });
});

describe('a wall clock that has stepped back two hours', () => {
  const BACK_MS = 7_200_000;
  let steps: {
    steppedBack: { availableMs: number; to: Date } | null;
    availableMs: number;
    availableMsAt: () => number;
  };
  let events: EventLogQuery;
  beforeEach(() => {
    steps = { steppedBack: null, availableMs: 1_000, availableMsAt: () => steps.availableMs };
    events = new EventLogQuery(stores.database, stores.clock, steps);
  });
  const step = (): void => {
    stores.clock.stepMs(-BACK_MS);
    steps.availableMs += 1_000;
    steps.steppedBack = { availableMs: steps.availableMs, to: stores.clock.now() };
    steps.availableMs += 1_000;
  };
  const idsOf = ({ items }: { items: readonly FleetEvent[] }): string[] => items.map(({ id }) => id);

  it('lets no reader miss events after the step', async () => {
    const before = await write({ ageMs: 20_000 });
    const first = await events.fetchPage({}, 10, null);
    expect(idsOf(first)).toEqual([before]);
    step();
    stores.clock.advanceMs(1_000);
    const after = await write({ ageMs: 0 });
    const second = await events.fetchPage({}, 10, first.tail);
    expect(idsOf(second)).toEqual([after]);
    stores.clock.advanceMs(20_000);
    const later = await write({ ageMs: 0 });
    expect(idsOf(await events.fetchPage({}, 10, second.tail))).toEqual([after, later]);
  });

  it('lets a reader that returns after the clock has passed its position miss no event', async () => {
    await write({ ageMs: 20_000 });
    const { tail } = await events.fetchPage({}, 10, null);
    step();
    const after = await write({ ageMs: 0 });
    stores.clock.advanceMs(BACK_MS + 60_000);
    expect(idsOf(await events.fetchPage({}, 10, tail))).toContain(after);
  });

  it('does not affect a reader that started after the step', async () => {
    step();
    const one = await write({ ageMs: 20_000 });
    const first = await events.fetchPage({}, 10, null);
    const two = await write({ ageMs: 15_000 });
    expect([idsOf(first), idsOf(await events.fetchPage({}, 10, first.tail))]).toEqual([[one], [two]]);
  });

  it('moves the start of the next export before the step', () => {
    const until = timestampOf(10_000);
    expect(events.resumeAt(until, stores.clock.now())).toEqual(until);
    step();
    expect(events.resumeAt(until, stores.clock.now())).toEqual(timestampOf(10_000));
    stores.clock.advanceMs(60_000);
    expect(events.resumeAt(timestampOf(30_000), stores.clock.now())).toEqual(timestampOf(30_000));
  });
});

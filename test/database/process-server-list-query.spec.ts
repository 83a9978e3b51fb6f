import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CERTIFICATE_WARNING_MS,
  connectionStateAt,
  fixedVersionRules,
  HEALTH_WINDOW_MS,
  healthAt,
  lifecycleOf,
  osKeyOf,
  LocalAvailabilityClock,
  loadSides,
  loadStatus,
  type ComponentStatus,
  parseVersion,
  statusRank,
  versionKey,
  type FleetFilter,
  type ListedServer,
  type Load,
  type Moment,
  type Release,
  type ReleaseFlag,
  type Version,
  type VersionRuleSource,
} from '@app/fleet';
import { FleetSummaryQuery, ProcessServerListQuery, type KeysetPosition, type SortKey } from '@app/fleet-mysql';
import { aRelease } from '../../libs/fleet/src/testing/examples.js';
import { loadReportBucketOf } from '../../libs/fleet-mysql/src/statements/heartbeat-rows.js';
import { AVAILABILITY, OUR_RULES, OURS, TestStores } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

/** Availability clock at the time of the reads, high enough for silences of hours. */
const AVAILABLE_MS = 100_000_000;

/** The columns that reads depend on. Ages are relative to the current time, on the wall clock or the availability clock. */
interface RandomRow {
  readonly name: string;
  readonly address: string;
  readonly version: string;
  readonly osType: string;
  readonly leaving: boolean;
  readonly lastSeenAgoMs: number;
  readonly endsInMs: number;
  readonly load: Load | null;
  readonly loadAgoMs: number;
  readonly servicesRaised: boolean;
  readonly servicesDownAgoMs: number | null;
  readonly servicesAgoMs: number | null;
  readonly certificateLeftMs: number | null;
  readonly certificateAgoMs: number | null;
}

/** Values at the edges, next to them, and at random. */
const around = (...edges: number[]) =>
  fc.oneof(
    fc.constantFrom(...edges.flatMap((edge) => [edge - 1, edge, edge + 1])),
    fc.integer({ min: -1_000_000, max: 2_000_000 }),
  );
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null });

const anyLoad: fc.Arbitrary<Load> = fc.record({
  cpuPercent: maybe(fc.constantFrom(10, 80, 80.5, 95, 95.5)),
  totalMemoryBytes: fc.constant(1_000),
  availableMemoryBytes: fc.constantFrom(900, 200, 199, 50, 49),
  totalCacheBytes: fc.constant(1_000),
  freeCacheBytes: maybe(fc.constantFrom(900, 300, 299, 250, 249)),
  throughputBytesPerSecond: fc.constant(1),
  pendingUploadBytes: fc.constantFrom(0, 1_800, 1_801, 2_701),
});

const HEALTHY: Load = {
  cpuPercent: 1,
  totalMemoryBytes: 10,
  availableMemoryBytes: 9,
  totalCacheBytes: 10,
  freeCacheBytes: 9,
  throughputBytesPerSecond: 1,
  pendingUploadBytes: 0,
};

const anyRow: fc.Arbitrary<RandomRow> = fc
  .record({
    name: fc.constantFrom('a', 'A', 'á', 'ab', 'aB', 'b', 'B ', 'ß', 'ss', 'z%', 'z_', 'z'),
    address: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1'),
    version: fc.constantFrom(
      '9.63.7187.1',
      '9.63.7187.0',
      '9.63.7187.2',
      '9.59.0.0',
      '9.58.65535.65535',
      '9.64.0.0',
      '8.63.0.0',
      '10.60.0.0',
      '9.9.0.0',
    ),
    osType: fc.constantFrom('Windows', 'LINUX', 'Solaris'),
    leaving: fc.boolean(),
    lastSeenAgoMs: fc.oneof(fc.constantFrom(0, 60_000, 120_000), around(HEALTH_WINDOW_MS)).map((ms) => Math.max(0, ms)),
    endsInMs: around(0),
    load: fc.option(fc.oneof(fc.constant(HEALTHY), anyLoad), { nil: null }),
    loadAgoMs: around(HEALTH_WINDOW_MS, -600_000, -300_000),
    servicesRaised: fc.boolean(),
    servicesDownAgoMs: maybe(around(HEALTH_WINDOW_MS)),
    servicesAgoMs: maybe(around(HEALTH_WINDOW_MS, -600_000)),
    certificateAgoMs: maybe(fc.oneof(fc.constant(0), around(HEALTH_WINDOW_MS, -600_000))),
    certificateLeftMs: maybe(fc.oneof(around(0, CERTIFICATE_WARNING_MS), fc.constant(2 * CERTIFICATE_WARNING_MS))),
  })
  .map((row) => ({ ...row, endsInMs: Math.max(row.endsInMs, -row.lastSeenAgoMs) })); // a lease ends after last seen

/** The status of a load whose values above their thresholds are raised. */
function statusOf(load: Load | null): ComponentStatus {
  const { known, above } = load ? loadSides(load) : { known: 0, above: 0 };
  return loadStatus(known, above);
}

/** Replaces all rows. Returns the host ids. */
async function fill(rows: readonly RandomRow[]): Promise<string[]> {
  await stores.testDatabase.empty();
  const now = stores.clock.now();
  const at = (ms: number): Date => new Date(now.getTime() + ms);
  const ago = (ms: number | null): Date | null => (ms === null ? null : at(-ms));
  const availableAgo = (ms: number | null): number | null => (ms === null ? null : AVAILABLE_MS - ms);
  await stores.testDatabase.write('INSERT INTO availability_clock (id, available_ms, recorded_at) VALUES (1, ?, ?)', [
    AVAILABLE_MS,
    now,
  ]);
  const withIds = rows.map((row) => ({ row, hostId: randomUUID() }));
  if (withIds.length === 0) return [];
  await stores.testDatabase.write(
    `INSERT INTO process_server (host_id, generation, friendly_name, ip_address, data_port, os_type, os_version, agent_version, version_key, os_key, machine_id,
       environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at, decommissioned_at, decommissioned_by, remove_by) VALUES ?`,
    [
      withIds.map(({ row, hostId }) => {
        const left = row.leaving ? now : null;
        const key = versionKey(parseVersion(row.version) as Version);
        return [
          hostId,
          1,
          row.name,
          row.address,
          9443,
          row.osType,
          'v',
          row.version,
          key,
          osKeyOf(row.osType),
          'm',
          'VMware',
          8,
          1,
          1,
          hostId,
          now,
          left,
          left && 'anna',
          left,
        ];
      }),
    ],
  );
  await stores.testDatabase.write(
    `INSERT INTO process_server_lease (host_id, generation, credential_hash, retired, revoked, report_fingerprint, last_seen_available_ms, expires_available_ms,
       assigned_interval_seconds, source_address) VALUES ?`,
    [
      withIds.map(({ row, hostId }) => [
        hostId,
        1,
        Buffer.alloc(32),
        Number(row.leaving),
        0,
        Buffer.alloc(16),
        AVAILABLE_MS - row.lastSeenAgoMs,
        AVAILABLE_MS + row.endsInMs,
        30,
        '192.0.2.1',
      ]),
    ],
  );
  await stores.testDatabase.write(
    `INSERT INTO process_server_health (host_id, load_severity, load_reported_at, load_report_bucket, cpu_percent, total_memory_bytes, available_memory_bytes, total_cache_bytes,
       free_cache_bytes, throughput_bytes_per_second, pending_upload_bytes, load_available_ms, services_down_at, services_raised, services_available_ms,
       certificate_expires_at, certificate_available_ms) VALUES ?`,
    [
      withIds.map(({ row: { load, ...row }, hostId }) => [
        hostId,
        statusRank(statusOf(load)),
        load && at(-row.loadAgoMs),
        load && loadReportBucketOf(AVAILABLE_MS - row.loadAgoMs),
        load?.cpuPercent,
        load?.totalMemoryBytes,
        load?.availableMemoryBytes,
        load?.totalCacheBytes,
        load?.freeCacheBytes,
        load?.throughputBytesPerSecond,
        load?.pendingUploadBytes,
        load && AVAILABLE_MS - row.loadAgoMs,
        ago(row.servicesDownAgoMs),
        Number(row.servicesDownAgoMs !== null && row.servicesRaised),
        availableAgo(row.servicesAgoMs),
        row.certificateLeftMs === null ? null : at(row.certificateLeftMs),
        availableAgo(row.certificateAgoMs),
      ]),
    ],
  );
  await stores.testDatabase.write('INSERT INTO process_server_name_history (host_id, valid_from, name_key) VALUES ?', [
    withIds.map(({ row, hostId }) => [hostId, new Date('1970-01-02T00:00:00.000Z'), row.name]),
  ]);
  await stores.testDatabase.rebuildCounters();
  return withIds.map(({ hostId }) => hostId).sort();
}

const page = (over: Partial<Parameters<typeof stores.list.fetchPage>[0]> = {}) =>
  stores.list.fetchPage({ sort: 'hostId', filter: {}, limit: 1_000, position: null, snapshot: null, ...over });

/** The states of an entry by the rules in TypeScript. */
function statesOf(
  entry: ListedServer,
  { at, availableMs }: Moment,
  { known }: Pick<VersionRuleSource, 'known'> = OUR_RULES,
) {
  const connected = connectionStateAt(availableMs, entry) === 'Connected';
  return {
    lifecycle: lifecycleOf(entry),
    connectionState: connectionStateAt(availableMs, entry),
    versionStatus: known.verdictOf(entry.facts.agentVersion, entry.facts.osType, at).status,
    health: healthAt(
      { at, availableMs, connected, windowMs: HEALTH_WINDOW_MS },
      {
        decommissioned: entry.decommission !== null,
        silentMs: availableMs - entry.lease.lastSeenAvailableMs,
        reported: entry.health,
      },
    ),
  } as const;
}

const FILTERS: readonly FleetFilter[] = [
  { connectionState: 'Connected' },
  { connectionState: 'Disconnected' },
  { lifecycle: 'Registered' },
  { lifecycle: 'Decommissioned' },
  { versionStatus: 'Supported' },
  { versionStatus: 'NotSupported' },
  { versionStatus: 'Deprecated' },
  { versionStatus: 'UpdateRequired' },
  { versionStatus: 'SecurityUpdateRequired' },
  { health: 'None' },
  { health: 'Normal' },
  { health: 'Warning' },
  { health: 'Critical' },
];

/** Rules without a catalogue, with one of the own major, and with a window that reaches the major before. */
function catalogues(): VersionRuleSource[] {
  const release = (version: string, osType: 'Windows' | 'Linux', flags: ReleaseFlag[], endsInMs = 1): Release =>
    aRelease({
      osType,
      version: parseVersion(version) as Version,
      flags,
      supportEndsAt: new Date(stores.clock.now().getTime() + endsInMs),
    });
  const releases = [
    release('9.63.7187.1', 'Linux', ['SecurityUpdateRequired', 'Deprecated']),
    release('9.63.7187.0', 'Windows', ['UpdateRequired']),
    release('9.63.7187.0', 'Linux', []),
    release('9.63.7187.2', 'Linux', ['Deprecated']),
    release('9.59.0.0', 'Windows', ['Deprecated'], 0),
    release('9.9.0.0', 'Windows', ['Deprecated']),
    release('8.63.0.0', 'Linux', ['Deprecated']),
    release('10.60.0.0', 'Windows', []),
  ];
  return [OUR_RULES, fixedVersionRules(OURS, releases), fixedVersionRules({ ...OURS, major: 10, minor: 61 }, releases)];
}

describe('a page', () => {
  it('agrees with every filter, the counts and the rules on every entry', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 1, maxLength: 12 }),
        fc.constantFrom(...catalogues()),
        async (rows, versions) => {
          const ids = await fill(rows);
          const reader = new ProcessServerListQuery(stores.database, stores.clock, versions, stores.pendingWrites);
          const pageOf = (filter: FleetFilter) =>
            reader.fetchPage({ sort: 'hostId', filter, limit: 1_000, position: null, snapshot: null });
          const { items, asOf } = await pageOf({});
          expect(asOf).toEqual({ at: stores.clock.now(), availableMs: AVAILABLE_MS });
          expect(items.map(({ hostId }) => hostId)).toEqual(ids);
          const [{ numbers }, byFullScan] = [
            await new FleetSummaryQuery(stores.database, stores.clock, versions).count(),
            await new FleetSummaryQuery(stores.database, stores.clock, versions, HEALTH_WINDOW_MS, 0).count(),
          ];
          expect(byFullScan.numbers).toEqual(numbers);
          expect(numbers.total).toBe(items.length);
          for (const filter of FILTERS) {
            const matches = (states: object): boolean =>
              Object.entries(filter).every(([name, value]) => (states as Record<string, unknown>)[name] === value);
            const expected = items
              .filter((entry) => matches(statesOf(entry, asOf, versions)))
              .map(({ hostId }) => hostId);
            expect({ filter, ids: (await pageOf(filter)).items.map(({ hostId }) => hostId) }).toEqual({
              filter,
              ids: expected,
            });
            const [[name, value] = ['', '']] = Object.entries(filter);
            const counted = (numbers as unknown as Record<string, Record<string, number>>)[name]?.[value] ?? 0;
            expect({ filter, counted }).toEqual({ filter, counted: expected.length });
          }
          for (const lifecycle of ['Registered', 'Decommissioned'] as const)
            for (const connectionState of ['Connected', 'Disconnected'] as const) {
              const counted = numbers.connectionStateByLifecycle[lifecycle][connectionState];
              const listed = (await pageOf({ lifecycle, connectionState })).items.length;
              expect({ lifecycle, connectionState, counted }).toEqual({ lifecycle, connectionState, counted: listed });
            }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has the same Disconnected entries as the candidates of a plan', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(...FILTERS),
        async (rows, filter) => {
          await fill(rows);
          const candidates = await stores.plans.candidates(filter, 1_000);
          const listed = await page({ filter });
          const silent = listed.items.filter(
            (entry) => statesOf(entry, listed.asOf).connectionState === 'Disconnected',
          );
          expect(candidates.map(({ hostId }) => hostId)).toEqual(silent.map(({ hostId }) => hostId));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is equal when read again without a write', async () => {
    const rows = fc.sample(anyRow, { numRuns: 10, seed: 7 });
    await fill(rows);
    const [one, two] = [await page(), await page()];
    expect(one).toEqual(two);
    expect(await stores.counter.count()).toEqual(await stores.counter.count());
  });

  it('keeps states unchanged while the service is unavailable', async () => {
    const server = await stores.registered();
    stores.clock.advanceSeconds(7_200);
    const { items, asOf } = await page({ filter: { connectionState: 'Connected' } });
    expect([items.map(({ hostId }) => hostId), asOf.availableMs]).toEqual([[server.hostId], AVAILABILITY.runAheadMs]);
  });
});

describe('the number of senders', () => {
  it('excludes entries that have never sent a heartbeat', async () => {
    const server = await stores.registered();
    for (let number = 0; number < 3; number += 1) await stores.registered();
    expect([await stores.counter.senders(), await stores.plans.fleetSize()]).toEqual([0, 4]);
    await stores.write(stores.heartbeat(server));
    expect(await stores.counter.senders()).toBe(1);
    await stores.register(server.hostId);
    expect(await stores.counter.senders()).toBe(1);
    await stores.purge({ hostId: server.hostId, generation: 2 }, { force: true });
    expect([await stores.counter.senders(), await stores.plans.fleetSize()]).toEqual([0, 3]);
  });
});

describe('the local availability clock of a replica', () => {
  it('equals the row, also after a record by another replica; the row is read when it is not current', async () => {
    const ours = new LocalAvailabilityClock(stores.availabilityStore, stores.clock, AVAILABILITY);
    const reader = new ProcessServerListQuery(stores.database, stores.clock, OUR_RULES, stores.pendingWrites, ours);
    const bothReport = async () => expect(await reader.asOf()).toEqual(await stores.list.asOf());
    await bothReport();
    await ours.tick();
    await stores.advance(14);
    await bothReport();
    await ours.tick();
    stores.database.statements.length = 0;
    await reader.asOf();
    expect(stores.database.statements).toEqual([]);
    stores.clock.advanceSeconds(30);
    await bothReport();
    await stores.availabilityClock.tick();
    await bothReport();
    expect((await reader.asOf()).availableMs).toBe(29_000);
  });
});

describe('pagination', () => {
  const SORTS: readonly SortKey[] = ['hostId', 'friendlyName', 'lastHeartbeat'];

  /** Reads all pages like a client: the position is serialised and parsed. */
  async function paginate(sort: SortKey, limit: number, filter: FleetFilter = {}): Promise<ListedServer[]> {
    const seen: ListedServer[] = [];
    let position: KeysetPosition | null = null;
    let snapshot: Moment | null = null;
    for (let pages = 0; pages < 100; pages += 1) {
      const {
        items,
        next,
        snapshot: kept,
      }: Awaited<ReturnType<typeof page>> = await page({ sort, limit, filter, position, snapshot });
      expect(items.length).toBeLessThanOrEqual(limit);
      seen.push(...items);
      if (!next) return seen;
      snapshot = kept;
      position = JSON.parse(JSON.stringify(next)) as KeysetPosition;
    }
    throw new Error('the pagination does not end');
  }

  it('returns each entry exactly once, in any sort order and page size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { maxLength: 9 }),
        fc.constantFrom(...SORTS),
        fc.integer({ min: 1, max: 3 }),
        async (rows, sort, limit) => {
          const ids = await fill(rows);
          expect((await paginate(sort, limit)).map(({ hostId }) => hostId).sort()).toEqual(ids);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with a filter returns each match exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { maxLength: 9 }),
        fc.constantFrom(...SORTS),
        fc.constantFrom(...FILTERS),
        async (rows, sort, filter) => {
          await fill(rows);
          const expected = (await page({ filter })).items.map(({ hostId }) => hostId);
          expect((await paginate(sort, 1, filter)).map(({ hostId }) => hostId).sort()).toEqual(expected);
        },
      ),
      { numRuns: 25 },
    );
  });

  it.each([1, 2, 3])(
    'by last heartbeat in pages of %d is sorted from the longest silence to the shortest',
    async (limit) => {
      const rows = fc.sample(anyRow, { numRuns: 9, seed: 3 });
      await fill(rows);
      const lastSeen = (await paginate('lastHeartbeat', limit)).map(({ lease }) => lease.lastSeenAvailableMs);
      expect(lastSeen).toEqual([...lastSeen].sort((a, b) => a - b));
    },
  );

  it('by name returns entries that exist throughout once, while others are added and removed', async () => {
    const existing = [
      await stores.registered({ friendlyName: 'b' }),
      await stores.registered({ friendlyName: 'd' }),
      await stores.registered({ friendlyName: 'f' }),
    ];
    const removed = await stores.registered({ friendlyName: 'e' });
    const first = await page({ sort: 'friendlyName', limit: 1 });
    await stores.registered({ friendlyName: 'a' });
    await stores.registered({ friendlyName: 'c' });
    await stores.purge(removed, { force: true });
    const rest = await page({ sort: 'friendlyName', position: first.next, snapshot: first.snapshot });
    const names = [...first.items, ...rest.items].map(({ facts }) => facts.friendlyName);
    expect(names).toEqual(['b', 'c', 'd', 'f']);
    expect(existing).toHaveLength(3);
  });

  it('by name returns a renamed entry once, at its name of the first page', async () => {
    const [early, , late] = [
      await stores.registered({ friendlyName: 'b' }),
      await stores.registered({ friendlyName: 'd' }),
      await stores.registered({ friendlyName: 'f' }),
    ];
    const first = await page({ sort: 'friendlyName', limit: 1 });
    await stores.register(early.hostId, { friendlyName: 'z' });
    await stores.register(late.hostId, { friendlyName: 'a' });
    const rest = await page({ sort: 'friendlyName', position: first.next, snapshot: first.snapshot });
    expect([...first.items, ...rest.items].map(({ facts }) => facts.friendlyName)).toEqual(['b', 'd', 'a']);
    stores.clock.advanceSeconds(10);
    expect((await page({ sort: 'friendlyName' })).items.map(({ facts }) => facts.friendlyName)).toEqual([
      'a',
      'd',
      'z',
    ]);
  });

  it('by last heartbeat ends at its start time: an entry with a new heartbeat may be missed, never repeated', async () => {
    const servers = [await stores.registered(), await stores.registered(), await stores.registered()];
    await stores.advance(10);
    const first = await page({ sort: 'lastHeartbeat', limit: 2 });
    await stores.advance(10);
    for (const server of servers) await stores.write(stores.heartbeat(server));
    const rest = await page({ sort: 'lastHeartbeat', position: first.next, snapshot: first.snapshot });
    expect([first.items.length, rest.items]).toEqual([2, []]);
  });

  it('by last heartbeat ends before the heartbeats that are pending at its start', async () => {
    const servers = [await stores.registered(), await stores.registered(), await stores.registered()];
    await stores.advance(10);
    let first: Awaited<ReturnType<typeof page>> | null = null;
    stores.heartbeatDatabase.before = async () => {
      first ??= await page({ sort: 'lastHeartbeat', limit: 2 }); // written but not committed
    };
    await stores.write(...servers.map((server) => stores.heartbeat(server)));
    const { items, next, snapshot } = first as unknown as Awaited<ReturnType<typeof page>>;
    expect((await page({ sort: 'lastHeartbeat', position: next, snapshot })).items).toEqual([]);
    expect(items).toHaveLength(2);
  });

  it.each(['½', 'ﷺ', '語'])('by name distinguishes names that differ only after many letters %s', async (letter) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((last) => letter.repeat(254) + last);
    for (const friendlyName of [...names].reverse()) await stores.registered({ friendlyName });
    expect((await paginate('friendlyName', 2)).map(({ facts }) => facts.friendlyName)).toEqual(names);
  });
});

describe('the other filters', () => {
  it('match an address exactly and a name by prefix', async () => {
    const one = await stores.registered({ friendlyName: 'ps_berlin', ipAddress: '192.0.2.1' });
    const two = await stores.registered({ friendlyName: 'psxberlin', ipAddress: '192.0.2.11' });
    const found = async (filter: FleetFilter): Promise<string[]> =>
      (await page({ filter })).items.map(({ hostId }) => hostId);
    expect(await found({ ipAddress: '192.0.2.1' })).toEqual([one.hostId]);
    expect(await found({ friendlyName: 'ps_' })).toEqual([one.hostId]);
    expect(await found({ friendlyName: 'ps' })).toEqual([one.hostId, two.hostId].sort());
    expect(await found({ friendlyName: 'berlin' })).toEqual([]);
    expect(await found({ friendlyName: 'ps', ipAddress: '192.0.2.11' })).toEqual([two.hostId]);
    expect(await found({ machineId: 'machine-1' })).toEqual([one.hostId, two.hostId].sort());
    expect([await found({ machineId: 'Machine-1' }), await found({ machineId: 'machine' })]).toEqual([[], []]);
  });

  it.each([
    ['mün', ['Mün-1', 'MÜN-2']],
    ['mu\u0308n', ['Mün-1', 'MÜN-2']],
    ['Mun', ['mun-3']],
    ['mu', ['mun-3']],
    ['ホ', ['ホスト']],
  ])('by name %s ignore letter case, but not accents: %j', async (friendlyName, names) => {
    for (const name of ['Mün-1', 'MÜN-2', 'mun-3', 'ホスト', 'ポスト']) await stores.registered({ friendlyName: name });
    const { items } = await page({ filter: { friendlyName }, sort: 'friendlyName' });
    expect(items.map(({ facts }) => facts.friendlyName)).toEqual(names);
    const [candidates, listed] = [
      await stores.plans.candidates({ friendlyName }, 10),
      await page({ filter: { friendlyName } }),
    ];
    expect(candidates).toEqual([]); // all are Connected
    expect(listed.items.map(({ facts }) => facts.friendlyName).sort()).toEqual([...names].sort());
    await stores.advance(180);
    expect((await stores.plans.candidates({ friendlyName }, 10)).map((one) => one.friendlyName).sort()).toEqual(
      [...names].sort(),
    );
  });

  it.each([
    [599, 1],
    [600, 1],
    [601, 0],
  ])('silent for %d s find %d of one entry that is silent for 600 s', async (silentForSeconds, count) => {
    await stores.registered();
    await stores.advance(600);
    expect((await page({ filter: { silentForSeconds } })).items).toHaveLength(count);
  });
});

describe('entries that share an address, a name or a machine', () => {
  it.each([
    ['address', { friendlyName: 'one' }, { friendlyName: 'two', machineId: 'two' }, true],
    ['name', { ipAddress: '192.0.2.1' }, { ipAddress: '192.0.2.2', machineId: 'two' }, true],
    [
      'machine id',
      { ipAddress: '192.0.2.1', friendlyName: 'one' },
      { ipAddress: '192.0.2.2', friendlyName: 'two' },
      true,
    ],
    [
      'machine id except letter case',
      { ipAddress: '192.0.2.1', friendlyName: 'one' },
      { ipAddress: '192.0.2.2', friendlyName: 'two', machineId: 'MACHINE-1' },
      false,
    ],
    [
      'name in another letter case',
      { ipAddress: '192.0.2.1', friendlyName: 'PS' },
      { ipAddress: '192.0.2.2', friendlyName: 'ps', machineId: 'two' },
      true,
    ],
    [
      'name except an accent',
      { ipAddress: '192.0.2.1', friendlyName: 'pé' },
      { ipAddress: '192.0.2.2', friendlyName: 'pe', machineId: 'two' },
      false,
    ],
    [
      'name in another script',
      { ipAddress: '192.0.2.1', friendlyName: 'ホスト' },
      { ipAddress: '192.0.2.2', friendlyName: 'ポスト', machineId: 'two' },
      false,
    ],
    [
      'nothing',
      { ipAddress: '192.0.2.1', friendlyName: 'one' },
      { ipAddress: '192.0.2.2', friendlyName: 'two', machineId: 'two' },
      false,
    ],
  ])('(%s) are flagged only when the rules match', async (_case, one, two, flagged) => {
    await stores.registered(one);
    await stores.registered(two);
    await stores.registered({ friendlyName: 'alone', ipAddress: '192.0.2.200', machineId: 'alone' });
    const { items } = await page();
    expect(items.filter(({ possibleDuplicate }) => possibleDuplicate)).toHaveLength(flagged ? 2 : 0);
    for (const possibleDuplicate of [true, false]) {
      expect((await page({ filter: { possibleDuplicate } })).items).toEqual(
        items.filter((item) => item.possibleDuplicate === possibleDuplicate),
      );
    }
  });

  it('are flagged even if only one of them is on the page', async () => {
    await stores.registered();
    await stores.registered();
    expect((await page({ limit: 1 })).items).toMatchObject([{ possibleDuplicate: true }]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { HEALTH_WINDOW_MS, versionKey, type FleetFilter, type Version } from '@app/fleet';
import { ProcessServerListQuery, type PageLimits, type KeysetPosition, type SortKey } from '@app/fleet-mysql';
import { loadReportBucketOf } from '../../libs/fleet-mysql/src/statements/heartbeat-rows.js';
import { OUR_RULES, OURS, TestStores } from '../support/test-stores.js';

/** More than the collection limits, so that both kinds of access path occur. */
const FLEET = 6_000;
/** Limits of a third of the fleet. */
const LIMITS: PageLimits = { maxScanned: 2_000, maxCollectedByHostId: 2_000, maxCollectedOtherwise: 2_000 };
/** Later than the availability clock, which starts at zero: in a bucket after that of old reports. */
const REPORTED_MS = 900_000;
const OLD: Version = { major: 9, minor: 1, build: 0, revision: 0 };

let stores: TestStores;
let reader: ProcessServerListQuery;
beforeAll(async () => {
  stores = await TestStores.open();
  await stores.fresh();
  reader = new ProcessServerListQuery(
    stores.database,
    stores.clock,
    OUR_RULES,
    stores.pendingWrites,
    null,
    HEALTH_WINDOW_MS,
    LIMITS,
  );
  const now = stores.clock.now();
  const numbers = Array.from({ length: FLEET }, (_, number) => number);
  const id = (number: number): string =>
    createHash('md5')
      .update(String(number))
      .digest('hex')
      .replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
  const isSilent = (number: number): boolean => number % 1_000 === 1;
  const decommissionedAt = (number: number): Date | null => (number % 1_000 === 2 ? now : null);
  const version = (number: number): Version => (number % 1_000 === 3 ? OLD : OURS);
  await stores.testDatabase.write(
    `INSERT INTO process_server (host_id, generation, friendly_name, name_key, ip_address, data_port, os_type, os_version, agent_version, version_key,
       machine_id, environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at, decommissioned_at, decommissioned_by, remove_by) VALUES ?`,
    [
      numbers.map((n) => [
        id(n),
        1,
        `ps-${n % 100}-${n}`,
        `ps-${n % 100}-${n}`,
        `10.0.${n % 200}.1`,
        9443,
        'o',
        'v',
        '9.63.7187.1',
        versionKey(version(n)),
        `m-${n % 3_000}`,
        'VMware',
        1,
        1,
        1,
        n % 1_000 === 5 ? EARLIER_PASSPHRASE : PASSPHRASE,
        now,
        decommissionedAt(n),
        decommissionedAt(n) && 'test',
        decommissionedAt(n),
      ]),
    ],
  );
  await stores.testDatabase.write(
    `INSERT INTO process_server_lease (host_id, generation, credential_hash, retired, revoked, report_fingerprint, last_seen_available_ms, expires_available_ms,
       assigned_interval_seconds, source_address) VALUES ?`,
    [
      numbers.map((n) => [
        id(n),
        1,
        Buffer.alloc(32),
        decommissionedAt(n) ? 1 : 0,
        0,
        Buffer.alloc(16),
        isSilent(n) ? -9_000_000 : -n,
        isSilent(n) ? -8_000_000 : 9_000_000 + n,
        30,
        '127.0.0.1',
      ]),
    ],
  );
  await stores.testDatabase.write(
    'INSERT INTO process_server_health (host_id, load_severity, load_reported_at, load_available_ms, load_report_bucket) VALUES ?',
    [
      numbers.map((n) =>
        n % 1_000 === 4 ? [id(n), 0, null, null, null] : [id(n), 1, now, REPORTED_MS, loadReportBucketOf(REPORTED_MS)],
      ),
    ],
  );
  await stores.testDatabase.write('INSERT INTO process_server_name_history (host_id, valid_from, name_key) VALUES ?', [
    numbers.map((n) => [id(n), new Date('1970-01-02T00:00:00Z'), `ps-${n % 100}-${n}`]),
  ]);
  await stores.testDatabase.rebuildCounters();
  await stores.testDatabase.rows(
    'ANALYZE TABLE process_server, process_server_lease, process_server_health, process_server_name_history',
  );
});
afterAll(() => stores.close());

interface PlanRow {
  readonly table: string | null;
  readonly type: string;
  readonly key: string | null;
  readonly rows: number;
  readonly Extra: string | null;
}

/** The plan rows of real tables, without derived ones. */
const explained = async (sql: string, parameters: readonly unknown[]): Promise<PlanRow[]> =>
  (await stores.database.rows<PlanRow>(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, parameters)).filter(
    ({ table }) => !table?.startsWith('<'),
  );

interface ExplainedPage {
  readonly plans: PlanRow[][];
  /** The snapshot of each query: its text, and each table with its index. */
  readonly queries: string;
  readonly shown: number;
}

/** The listed columns, which are the same in every page query. */
const SHOWN_COLUMNS = /(?<=SELECT e\.\*,)[^]*?(?=, p\.name_key, p\.machine_id)/;

/** Fetches a page. Returns its queries, their plans and the number of entries. */
async function plansOf(filter: FleetFilter, sort: SortKey): Promise<ExplainedPage> {
  const { reads } = stores.database;
  reads.length = 0;
  const { items } = await reader.fetchPage({ sort, filter, limit: 100, position: null, snapshot: null });
  const queried = reads.filter(({ sql }) => sql.includes('process_server')).splice(0);
  const plans: PlanRow[][] = [];
  for (const { sql, parameters } of queried) plans.push(await explained(sql, parameters));
  const queries = queried.map(({ sql }, index) => {
    const plan = (plans[index] ?? []).map(({ table, key }) => `${table ?? 'none'} (${key ?? 'no index'})`);
    const [joined, subqueries] = [
      plan.filter((table) => !table.startsWith('q ')),
      plan.filter((table) => table.startsWith('q ')),
    ];
    const text = sql.replace(SHOWN_COLUMNS, ' ... ').replace(/\s+/g, ' ').trim();
    return `${text}\n-> ${[...joined, ...subqueries.sort()].join(', ')}\n`; // the order of subqueries differs between servers
  });
  return { plans, queries: `\n${queries.join('\n')}`, shown: items.length };
}

const PASSPHRASE = '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e11';
const EARLIER_PASSPHRASE = '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10';

const FILTERS: readonly (readonly [FleetFilter, number])[] = [
  [{}, 100],
  [{ connectionState: 'Connected' }, 100],
  [{ connectionState: 'Disconnected' }, 6],
  [{ lifecycle: 'Registered' }, 100],
  [{ lifecycle: 'Decommissioned' }, 6],
  [{ versionStatus: 'Supported' }, 100],
  [{ versionStatus: 'NotSupported' }, 6],
  [{ ipAddress: '10.0.7.1' }, 30],
  [{ friendlyName: 'ps-' }, 100],
  [{ friendlyName: 'ps-7-' }, 60],
  [{ silentForSeconds: 3_600 }, 6],
  [{ health: 'Normal' }, 100],
  [{ health: 'Critical' }, 6],
  [{ health: 'Warning' }, 0],
  [{ health: 'None' }, 12],
  [{ connectionState: 'Connected', friendlyName: 'ps-7-' }, 60],
  [{ passphraseId: PASSPHRASE }, 100],
  [{ passphraseId: EARLIER_PASSPHRASE }, 6],
];

/** The index of each sort order. */
const SORT_INDEX: Readonly<Record<SortKey, string>> = {
  hostId: 'PRIMARY',
  friendlyName: 'ix_name_history_name',
  lastHeartbeat: 'ix_last_seen',
};

describe.each(['hostId', 'friendlyName', 'lastHeartbeat'] as const)('a page sorted by %s', (sort) => {
  it.each(FILTERS)('with %j uses indexes regardless of the statistics', async (filter, count) => {
    const { plans, queries, shown } = await plansOf(filter, sort);
    expect(shown).toBe(count);
    expect(queries).toMatchSnapshot();
    const [first, ...others] = plans.at(-1) ?? [];
    // With many matches, the page is read in its sort order and nothing is collected and sorted.
    // Entries of one passphrase are in order of host id, too.
    const inOrder = sort === 'hostId' && filter.passphraseId ? 'ix_passphrase' : SORT_INDEX[sort];
    if (count === 100)
      expect([first?.key, first?.Extra ?? '']).toEqual([inOrder, expect.not.stringMatching(/filesort|temporary/i)]);
    for (const { table, type } of others)
      expect(['eq_ref', 'ref', ...(table === 'x' ? ['range'] : [])]).toContain(type);
    for (const plan of plans) {
      for (const { type, key } of plan) {
        expect(type).not.toBe('ALL');
        if (type !== 'system' && type !== 'const') expect([type, key]).not.toContain(null);
      }
      // A full index scan occurs only in the sort order, where the limit ends it, or for a bounded count.
      const fullScans = plan.filter(({ type }) => type === 'index').map(({ key }) => key);
      expect([
        'PRIMARY',
        'ix_name_history_name',
        'ix_last_seen',
        'ix_lease_expiry',
        'ix_decommissioned_at',
        'ix_version_key',
        undefined,
      ]).toContain(fullScans[0]);
      expect(fullScans.length).toBeLessThanOrEqual(1);
    }
  });
});

it('counts the fleet without a full scan', async () => {
  stores.database.reads.length = 0;
  const { numbers } = await stores.counter.count();
  expect(numbers).toMatchObject({
    total: FLEET,
    lifecycle: { Decommissioned: 6 },
    connectionState: { Disconnected: 6 },
    versionStatus: { NotSupported: 6 },
    health: { Normal: FLEET - 18, Critical: 6, None: 12 },
  });
  const counts = stores.database.reads.splice(0).filter(({ sql }) => sql.includes('process_server'));
  expect(counts).toHaveLength(2);
  for (const { sql, parameters } of counts) {
    const read = (await explained(sql, parameters)).filter(({ table }) =>
      ['x', 'p', 'l', 'h', 'd', 'm'].includes(table ?? ''),
    );
    expect(read.length).toBeGreaterThan(6);
    for (const { type, key, rows } of read)
      expect([type, key, rows < 100]).toEqual([
        expect.stringMatching(/^(range|ref|eq_ref)$/),
        expect.any(String),
        true,
      ]);
  }
});

it('reads a page of one address by host id in index order, without a sort', async () => {
  const { plans } = await plansOf({ ipAddress: '10.0.7.1' }, 'hostId');
  expect(plans).toHaveLength(1);
  expect([plans[0]?.[0]?.key, plans[0]?.[0]?.Extra ?? '']).toEqual([
    'ix_ip_address',
    expect.not.stringMatching(/filesort|temporary/i),
  ]);
});

it('counts the matches of several conditions in one statement', async () => {
  const { plans } = await plansOf(
    { connectionState: 'Connected', lifecycle: 'Registered', versionStatus: 'NotSupported' },
    'hostId',
  );
  expect(plans).toHaveLength(2);
  expect(plans[1]?.[0]?.key).toBe('ix_version_key');
});

it('finds the candidates of a purge plan by index', async () => {
  stores.database.reads.length = 0;
  expect(await stores.plans.candidates({ friendlyName: 'ps-' }, 1_001)).toHaveLength(6);
  for (const { sql, parameters } of stores.database.reads
    .splice(0)
    .filter(({ sql: text }) => text.includes('FROM process_server'))) {
    expect((await explained(sql, parameters)).map(({ type }) => type)).not.toContain('ALL');
  }
});

describe('a page of two filters with many matches each', () => {
  const MANY: readonly FleetFilter[] = [
    { connectionState: 'Connected' },
    { lifecycle: 'Registered' },
    { versionStatus: 'Supported' },
    { health: 'Normal' },
    { friendlyName: 'ps-' },
    { passphraseId: PASSPHRASE },
    { possibleDuplicate: true },
    { silentForSeconds: 0 },
  ];
  /** Matches nothing, although each condition has many matches when half of the fleet is silent. */
  const NOTHING: FleetFilter = { connectionState: 'Connected', silentForSeconds: 3_600 };
  const shiftHalf = (by: string): Promise<unknown> =>
    stores.testDatabase.write(
      `UPDATE process_server_lease SET last_seen_available_ms = last_seen_available_ms ${by}, expires_available_ms = expires_available_ms ${by} WHERE host_id < '8'`,
    );
  beforeAll(() => shiftHalf('- 30000000'));
  afterAll(() => shiftHalf('+ 30000000'));

  it.each(['hostId', 'friendlyName', 'lastHeartbeat'] as const)(
    'by %s without matches ends after a bounded number of entries, and pagination after the last entry',
    async (sort) => {
      let position: KeysetPosition | null = null;
      let pages = 0;
      do {
        const page: Awaited<ReturnType<typeof reader.fetchPage>> = await reader.fetchPage({
          sort,
          filter: NOTHING,
          limit: 100,
          position,
          snapshot: null,
        });
        expect(page.items).toEqual([]);
        position = page.next;
        pages += 1;
      } while (position && pages < 10);
      expect([pages, position]).toEqual([FLEET / LIMITS.maxScanned + 1, null]); // the last page is empty
    },
  );

  it.each(['hostId', 'friendlyName', 'lastHeartbeat'] as const)(
    'by %s uses an index in the sort order for every pair',
    async (sort) => {
      for (const [index, one] of MANY.entries()) {
        for (const other of MANY.slice(index + 1)) {
          const { plans, queries } = await plansOf({ ...one, ...other }, sort);
          expect(queries).toMatchSnapshot(JSON.stringify({ ...one, ...other }));
          for (const plan of plans)
            for (const { type, key } of plan)
              expect([sort, one, other, type === 'ALL' || key === null]).toEqual([sort, one, other, false]);
          expect([one, other, plans.at(-1)?.[0]?.Extra ?? '']).toEqual([
            one,
            other,
            expect.not.stringMatching(/filesort|temporary/i),
          ]);
        }
      }
    },
  );
});

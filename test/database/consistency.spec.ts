import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ConsistencyCheck, CleanUp, type ConsistencyReport, type InconsistencyKind } from '@app/fleet';
import { ConsistencyStore } from '@app/fleet-mysql';
import { A_TOMBSTONE, AN_ENTRY, codeOf, MINT, TestStores, type StoredServer } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

/** Writes rows that contradict each other, without foreign key checks. */
async function damage(statements: readonly string[], hostId: string): Promise<void> {
  const connection = await stores.testDatabase.connect();
  await connection.query('SET SESSION foreign_key_checks = 0');
  for (const sql of statements) await connection.query(sql, [hostId]);
  await connection.end();
}

const INSERT_TOMBSTONE = (generation: number): string => `
  INSERT INTO tombstone (host_id, generation, friendly_name, ip_address, removed_at, removed_by, removal)
  VALUES (?, ${generation}, 'ps', '192.0.2.11', '2026-01-01', 'anna', 'purge')`;

interface DamageCase {
  readonly what: string;
  readonly statements: readonly string[];
  readonly kinds: readonly InconsistencyKind[];
  /** The highest generation of the damaged rows. The entry was registered twice. */
  readonly generation: number;
}

/** Kinds of damage to an entry of generation 2. */
const OF_AN_ENTRY: readonly DamageCase[] = [
  {
    what: 'no lease',
    statements: ['DELETE FROM process_server_lease WHERE host_id = ?'],
    kinds: ['lease_missing'],
    generation: 2,
  },
  {
    what: 'no health',
    statements: ['DELETE FROM process_server_health WHERE host_id = ?'],
    kinds: ['health_missing'],
    generation: 2,
  },
  {
    what: 'no name',
    statements: ['DELETE FROM process_server_name_history WHERE host_id = ?'],
    kinds: ['name_mismatch'],
    generation: 2,
  },
  {
    what: 'two names',
    statements: [
      "INSERT INTO process_server_name_history (host_id, valid_from, name_key) VALUES (?, '2026-01-01', 'other')",
    ],
    kinds: ['name_mismatch'],
    generation: 2,
  },
  {
    what: 'a lease of an earlier generation',
    statements: ['UPDATE process_server_lease SET generation = 1 WHERE host_id = ?'],
    kinds: ['generation_mismatch'],
    generation: 2,
  },
  {
    what: 'a lease of a later generation',
    statements: ['UPDATE process_server_lease SET generation = 5 WHERE host_id = ?'],
    kinds: ['generation_mismatch'],
    generation: 5,
  },
  {
    what: 'a retired lease',
    statements: ['UPDATE process_server_lease SET retired = 1 WHERE host_id = ?'],
    kinds: ['retirement_mismatch'],
    generation: 2,
  },
  {
    what: 'a decommission without a retired lease',
    statements: [
      "UPDATE process_server SET decommissioned_at = '2026-11-23', remove_by = '2026-11-24' WHERE host_id = ?",
    ],
    kinds: ['retirement_mismatch'],
    generation: 2,
  },
  { what: 'an earlier tombstone', statements: [INSERT_TOMBSTONE(1)], kinds: ['entry_with_tombstone'], generation: 2 },
  { what: 'a later tombstone', statements: [INSERT_TOMBSTONE(4)], kinds: ['entry_with_tombstone'], generation: 4 },
  {
    what: 'only its entry row',
    statements: ['process_server_lease', 'process_server_health', 'process_server_name_history'].map(
      (table) => `DELETE FROM ${table} WHERE host_id = ?`,
    ),
    kinds: ['lease_missing', 'health_missing', 'name_mismatch'],
    generation: 2,
  },
];

/** Rows without their row in `process_server`. */
const WITHOUT_AN_ENTRY: DamageCase = {
  what: 'rows without an entry',
  statements: ['DELETE FROM process_server WHERE host_id = ?'],
  kinds: ['orphan'],
  generation: 2,
};
const EVERY_CASE = [...OF_AN_ENTRY, WITHOUT_AN_ENTRY];

async function damagedServer({ statements }: DamageCase): Promise<StoredServer> {
  const { hostId } = await stores.registered();
  const server = await stores.registered({}, hostId);
  await damage(statements, hostId);
  await stores.testDatabase.rebuildCounters();
  return server;
}

const check = (): Promise<ConsistencyReport> =>
  new ConsistencyCheck(
    new ConsistencyStore(stores.database, stores.clock, stores.identifiers),
    stores.registry,
    stores.clock,
  ).run();
const foundBy = async (): Promise<Record<string, number>> => Object.fromEntries((await check()).found);

/** Expects rows without contradictions, at the end of each test. */
async function expectWhole(): Promise<void> {
  expect(await foundBy()).toEqual({});
  expect(await stores.testDatabase.counterErrors()).toEqual([]);
}

describe.each(EVERY_CASE)('a host with $what', (example) => {
  it('registers again with the generation after the highest, and is consistent', async () => {
    const { hostId } = await damagedServer(example);
    const { generation, credential } = await stores.register(hostId);
    expect(generation).toBe(example.generation + 1);
    expect(await stores.rowsOf(hostId)).toEqual(AN_ENTRY);
    const lease = await stores.lease({ hostId });
    expect(lease).toMatchObject({ generation, retired: 0, revoked: 0 });
    expect((lease?.['credential_hash'] as Buffer).toString('hex')).toBe(
      MINT.verify(hostId, credential)?.credentialHash,
    );
    const kinds = await stores.eventKinds(hostId);
    expect(kinds.filter((kind) => !/silence|connected/.test(kind))).toHaveLength(3);
    // An entry without a lease is Disconnected until it registers.
    expect(kinds.filter((kind) => kind === 'silence_ended')).toHaveLength(
      example.kinds.includes('lease_missing') ? 1 : 0,
    );
    expect(
      await stores.outcomes(
        stores.heartbeat({ hostId, generation, credentialHash: MINT.verify(hostId, credential)?.credentialHash ?? '' }),
      ),
    ).toEqual(['accepted']);
    await expectWhole();
  });

  it('does not affect concurrent registrations', async () => {
    const { hostId } = await damagedServer(example);
    const responses = await Promise.all([hostId, randomUUID(), randomUUID()].map((one) => stores.register(one)));
    expect(responses.map(({ generation }) => generation)).toEqual([example.generation + 1, 1, 1]);
    await expectWhole();
  });
});

describe.each(OF_AN_ENTRY)('an entry with $what', (example) => {
  it('is purged by the listed generation, and leaves a tombstone of the highest generation', async () => {
    const { hostId } = await damagedServer(example);
    await stores.purge({ hostId, generation: 2 }, { force: true });
    expect(await stores.rowsOf(hostId)).toEqual(A_TOMBSTONE);
    expect(await stores.testDatabase.rows('SELECT generation FROM tombstone WHERE host_id = ?', [hostId])).toEqual([
      { generation: example.generation },
    ]);
    await expectWhole();
    expect((await stores.register(hostId)).generation).toBe(example.generation + 1);
  });

  it('is decommissioned, and removed once due', async () => {
    const { hostId } = await damagedServer(example);
    const outcome = await codeOf(stores.decommission({ hostId }));
    expect(['process_server_disconnected', null]).toContain(outcome);
    if (outcome === null) {
      await check(); // a request on an entry that is already decommissioned writes nothing
      await stores.advance(900);
      await new CleanUp(
        stores.removals,
        () => stores.availabilityClock.cleanUpMoment,
        { graceSeconds: 300, intervalSeconds: 60 },
        400,
        'replica-1',
      ).run();
      expect(await stores.rowsOf(hostId)).toEqual(A_TOMBSTONE);
    }
  });
});

describe('the consistency check', () => {
  it('finds nothing in a consistent fleet, and writes nothing', async () => {
    await stores.registered();
    await stores.decommissioned();
    await stores.purge(await stores.registered(), { force: true });
    const before = await stores.contents();
    const events = await stores.testDatabase.count('event');
    expect(await foundBy()).toEqual({});
    expect([await stores.contents(), await stores.testDatabase.count('event')]).toEqual([before, events]);
  });

  it.each(EVERY_CASE)('finds $what and repairs it, with an event', async (example) => {
    const { hostId } = await damagedServer(example);
    const { found, repaired } = await check();
    expect([Object.fromEntries(found), repaired]).toEqual([
      Object.fromEntries(example.kinds.map((kind) => [kind, 1])),
      1,
    ]);
    expect((await stores.eventKinds(hostId)).filter((kind) => kind === 'inconsistency_repaired')).toHaveLength(1);
    await expectWhole();
    const isGhost = example.what === 'a later tombstone';
    const expected = isGhost ? A_TOMBSTONE : example === WITHOUT_AN_ENTRY ? [0, 0, 0, 0, 0] : AN_ENTRY;
    expect(await stores.rowsOf(hostId)).toEqual(expected);
  });

  it.each(['process_server_lease', 'process_server_health', 'process_server_name_history'])(
    'reads rows without an entry again when one in %s appears meanwhile',
    async (table) => {
      const { hostId } = await stores.registered();
      const connection = await stores.testDatabase.connect();
      await connection.query('CREATE TEMPORARY TABLE kept AS SELECT * FROM ?? WHERE host_id = ?', [table, hostId]);
      await connection.query('SET SESSION foreign_key_checks = 0');
      const deletion = `DELETE FROM ${table} WHERE host_id = ?`;
      await damage([deletion, ...WITHOUT_AN_ENTRY.statements], hostId);
      await stores.testDatabase.rebuildCounters();
      let deletions = 0;
      stores.database.before = async (sql) => {
        if (sql !== deletion || (deletions += 1) > 1) return;
        await connection.query('INSERT INTO ?? SELECT * FROM kept', [table]);
      };
      await check();
      await connection.end();
      expect([deletions, await stores.rowsOf(hostId)]).toEqual([2, [0, 0, 0, 0, 0]]);
    },
  );

  it('revokes a credential that may be lost, and no other', async () => {
    const [lost, later] = [
      await damagedServer(OF_AN_ENTRY[0] as DamageCase),
      await damagedServer(OF_AN_ENTRY[5] as DamageCase),
    ];
    await check();
    expect(await stores.outcomes(stores.heartbeat(lost))).toEqual(['credential_revoked']);
    expect(await stores.outcomes(stores.heartbeat({ ...later, generation: 5 }))).toEqual(['accepted']);
  });

  it('repairs wrong counters once, on any replica, with an event', async () => {
    await stores.registered();
    await stores.registered({ agentVersion: '9.62.0.0' });
    await stores.decommissioned();
    await stores.testDatabase.write(
      'INSERT INTO fleet_counter_delta (version_key, decommissioned, entries) SELECT version_key, 0, 3 FROM process_server LIMIT 1',
    );
    await stores.testDatabase.write('UPDATE fleet_counter_delta SET entries = entries - 1 WHERE decommissioned = 1');
    const reports = await Promise.all([check(), check()]);
    expect(reports.map(({ repaired }) => repaired).sort()).toEqual([0, 2]);
    expect(await stores.testDatabase.counterErrors()).toEqual([]);
    expect(
      await stores.testDatabase.rows("SELECT host_id FROM event WHERE kind = 'inconsistency_repaired'"),
    ).toHaveLength(1);
  });

  it('scans the fleet in ranges, and finds damage at their edges', async () => {
    const servers = await Promise.all(Array.from({ length: 7 }, () => stores.registered()));
    const inOrder = servers.map(({ hostId }) => hostId).sort();
    for (const hostId of inOrder) await damage(['DELETE FROM process_server_health WHERE host_id = ?'], hostId);
    const store = new ConsistencyStore(stores.database, stores.clock, stores.identifiers);
    const found: string[] = [];
    for (let after: string | null = ''; after !== null;) {
      const { damaged, next }: { damaged: { hostId: string }[]; next: string | null } = await store.scan(after, 3);
      found.push(...damaged.map(({ hostId }) => hostId));
      after = next;
    }
    expect(found).toEqual(inOrder);
  });

  it('repairs a host once when two replicas check at the same time', async () => {
    const { hostId } = await damagedServer(OF_AN_ENTRY[4] as DamageCase);
    await Promise.all([check(), check()]);
    expect((await stores.eventKinds(hostId)).filter((kind) => kind === 'inconsistency_repaired')).toHaveLength(1);
    await expectWhole();
  });
});

describe('the clean-up', () => {
  it('removes the other due entries when the rows of one entry contradict each other', async () => {
    const damaged = await stores.decommissioned();
    const due = await stores.decommissioned();
    await damage(['UPDATE process_server_lease SET retired = 0 WHERE host_id = ?'], damaged.hostId);
    await stores.advance(900);
    const cleanUp = new CleanUp(
      stores.removals,
      () => stores.availabilityClock.cleanUpMoment,
      { graceSeconds: 300, intervalSeconds: 60 },
      400,
      'replica-1',
    );
    expect((await cleanUp.run()).removed).toBe(1);
    expect(await stores.rowsOf(due.hostId)).toEqual(A_TOMBSTONE);
    await check();
    expect((await cleanUp.run()).removed).toBe(1);
    expect(await stores.rowsOf(damaged.hostId)).toEqual(A_TOMBSTONE);
  });
});

describe('a heartbeat', () => {
  it('of a host without an entry row is rejected as not found', async () => {
    const server = await damagedServer(WITHOUT_AN_ENTRY);
    expect(await stores.outcomes(stores.heartbeat(server))).toEqual(['process_server_not_found']);
  });
});

import { randomUUID } from 'node:crypto';
import type { PoolConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import {
  availabilityTiming,
  LocalAvailabilityClock,
  PLAN_LIFETIME_MS,
  decommission,
  fixedVersionRules,
  parseVersion,
  purge,
  register,
  type Actor,
  type Heartbeat,
  type HeartbeatVerdict,
  type Moment,
  type ProcessServerFacts,
  type PurgeResult,
  type PurgeCommand,
  type Registry,
  type RegistrationResult,
  type RegistrationPolicy,
  type Version,
  type QueuedHeartbeat,
} from '@app/fleet';
import {
  EventLogQuery,
  FleetSummaryQuery,
  ProcessServerListQuery,
  LeaseStore,
  AvailabilityClockStore,
  PlanStore,
  RegistryStore,
  OperatingSystems,
  ReleaseStore,
  RemovalStore,
  PendingWrites,
  type DatabaseAddress,
} from '@app/fleet-mysql';
import { HmacCredentials, UuidIdentifiers } from '@app/platform';
import {
  Database,
  type Statement,
  type Transaction,
  type TransactionOptions,
} from '../../libs/fleet-mysql/src/database.js';
import { aHeartbeat, someFacts, TIMING } from '../../libs/fleet/src/testing/examples.js';
import { fixedFraction, ManualClock } from './manual-clock.js';
import { TestDatabase } from './test-database.js';

/** Set in the second run of the store specs: every connection counts as a connection to a Galera node. */
export const SIMULATE_CLUSTER_NODE = process.env['TEST_AS_ON_CLUSTER_NODE'] === '1';

/** A database that records its statements and can run code before each of them. */
export class SpyDatabase extends Database {
  protected override isClusterNode(connection: PoolConnection): Promise<boolean> {
    return SIMULATE_CLUSTER_NODE ? Promise.resolve(true) : super.isClusterNode(connection);
  }

  readonly statements: string[] = [];
  /** Reads outside of transactions with their parameters, for EXPLAIN. */
  readonly reads: Statement[] = [];
  /** Runs before each statement. */
  before: (sql: string, parameters: readonly unknown[]) => Promise<unknown> = async () => undefined;

  override async rows<Row>(sql: string, parameters: readonly unknown[] = [], withinMs?: number): Promise<Row[]> {
    await this.record(sql, parameters);
    this.reads.push({ sql, parameters });
    return super.rows<Row>(sql, parameters, withinMs);
  }

  override async transaction<A>(
    work: (transaction: Transaction, previousCommitMayBePending: boolean) => Promise<A>,
    options: TransactionOptions = {},
  ): Promise<A> {
    return super.transaction((transaction, previousCommitMayBePending) => {
      const spied: Transaction = {
        rows: async <Row>(sql: string, parameters: readonly unknown[] = []) => {
          await this.record(sql, parameters);
          return transaction.rows<Row>(sql, parameters);
        },
        write: async (sql, parameters = []) => {
          await this.record(sql, parameters);
          return transaction.write(sql, parameters);
        },
        executeAll: async (statements) => {
          for (const { sql, parameters } of statements) await this.record(sql, parameters);
          return transaction.executeAll(statements);
        },
        executeAndCommitIfExact: async (first, expected, rest) => {
          for (const { sql, parameters } of [first, ...rest]) await this.record(sql, parameters);
          return transaction.executeAndCommitIfExact(first, expected, rest);
        },
      };
      return work(spied, previousCommitMayBePending);
    }, options);
  }

  private async record(sql: string, parameters: readonly unknown[]): Promise<void> {
    this.statements.push(sql.trim());
    await this.before(sql, parameters);
  }
}

/** The identity of a stored process server. */
export interface StoredServer {
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
}

export const AVAILABILITY = availabilityTiming(180);
export const AN_AGENT: Actor = { name: 'process-server', address: '192.0.2.11', requestId: 'request-1' };
export const AN_OPERATOR: Actor = { name: 'anna', address: '198.51.100.7', requestId: 'request-2' };
export const OURS = parseVersion('9.63.7187.1') as Version;
export const OUR_RULES = fixedVersionRules(OURS);
export const TERMS: RegistrationPolicy = {
  version: OURS,
  versions: OUR_RULES,
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};
export const MINT = new HmacCredentials(Buffer.alloc(32, 7));
export const CLEAN_UP_TIMING = { graceSeconds: 300, intervalSeconds: 60 };

/** The tables of fleet state. A rejected request changes none of them. */
const FLEET_TABLES = [
  'process_server',
  'process_server_lease',
  'process_server_health',
  'process_server_name_history',
  'tombstone',
] as const;
/** Results of `rowsOf` for an entry and for a removed one. */
export const AN_ENTRY = [1, 1, 1, 1, 0];
export const A_TOMBSTONE = [0, 0, 0, 0, 1];

/** All stores on a separate schema with a manual clock. The heartbeat database has one connection and a lock wait of one second. */
export class TestStores {
  readonly identifiers = new UuidIdentifiers();
  readonly pendingWrites = new PendingWrites();
  readonly registry: RegistryStore;
  readonly leases: LeaseStore;
  readonly availabilityStore: AvailabilityClockStore;
  /** The local availability clock of a replica. */
  readonly availabilityClock: LocalAvailabilityClock;
  readonly releases: ReleaseStore;
  readonly operatingSystems: OperatingSystems;
  /** Failures to read operating systems. */
  readonly failedReads: unknown[] = [];
  readonly removals: RemovalStore;
  readonly plans: PlanStore;
  readonly list: ProcessServerListQuery;
  readonly counter: FleetSummaryQuery;
  readonly events: EventLogQuery;
  private readonly opened: Database[] = [];
  private readonly lockHolders = new Set<Connection>();

  private constructor(
    readonly testDatabase: TestDatabase,
    readonly clock: ManualClock,
    readonly database: SpyDatabase,
    readonly heartbeatDatabase: SpyDatabase,
  ) {
    this.registry = this.registryOn(database);
    this.releases = new ReleaseStore(database, clock, this.identifiers, OURS);
    this.operatingSystems = new OperatingSystems(heartbeatDatabase, this.releases, (error) =>
      this.failedReads.push(error),
    );
    this.leases = new LeaseStore(heartbeatDatabase, this.identifiers, OURS, this.pendingWrites, this.operatingSystems);
    this.availabilityStore = new AvailabilityClockStore(database, this.identifiers, 'replica-1', AVAILABILITY);
    this.availabilityClock = new LocalAvailabilityClock(this.availabilityStore, clock, AVAILABILITY);
    this.removals = new RemovalStore(database, clock, this.identifiers);
    this.plans = new PlanStore(database, clock, this.releases);
    this.list = new ProcessServerListQuery(database, clock, this.releases, this.pendingWrites);
    this.counter = new FleetSummaryQuery(database, clock, this.releases);
    this.events = new EventLogQuery(database, clock);
    this.opened.push(database, heartbeatDatabase);
  }

  static async open(): Promise<TestStores> {
    const testDatabase = await TestDatabase.make();
    const database = new SpyDatabase(testDatabase.address, fixedFraction(0), { connections: 4, lockWaitSeconds: 3 });
    const heartbeatDatabase = new SpyDatabase(testDatabase.address, fixedFraction(0), {
      connections: 1,
      lockWaitSeconds: 1,
    });
    return new TestStores(testDatabase, new ManualClock(), database, heartbeatDatabase);
  }

  /** Empties the fleet and records availability. */
  async fresh(): Promise<void> {
    this.releaseLocks();
    for (const database of [this.database, this.heartbeatDatabase]) {
      database.before = async () => undefined;
      database.statements.length = 0;
    }
    await this.testDatabase.empty();
    await this.availabilityClock.tick();
  }

  /** Locks the host's lease in another transaction. Returns the function that releases it; `fresh` and `close` release it too. */
  async lockLease({ hostId }: Pick<StoredServer, 'hostId'>): Promise<() => Promise<void>> {
    const lockHolder = await this.testDatabase.connect();
    this.lockHolders.add(lockHolder);
    await lockHolder.query('START TRANSACTION');
    await lockHolder.query('SELECT host_id FROM process_server_lease WHERE host_id = ? FOR UPDATE', [hostId]);
    return async () => {
      this.lockHolders.delete(lockHolder);
      await lockHolder.query('ROLLBACK');
      await lockHolder.end();
    };
  }

  private releaseLocks(): void {
    for (const lockHolder of this.lockHolders) lockHolder.destroy();
    this.lockHolders.clear();
  }

  async close(): Promise<void> {
    this.releaseLocks();
    for (const database of this.opened) await database.close();
    await this.testDatabase.drop();
  }

  /** Opens another connection pool, as another replica has, optionally through another address. */
  connect(address: Partial<DatabaseAddress> = {}): SpyDatabase {
    const { socketPath, ...rest } = this.testDatabase.address;
    const target = address.host ? rest : { ...rest, ...(socketPath && { socketPath }) };
    const database = new SpyDatabase({ ...target, ...address }, fixedFraction(0), {
      connections: 2,
      lockWaitSeconds: 3,
    });
    this.opened.push(database);
    return database;
  }

  registryOn(database: Database): RegistryStore {
    return new RegistryStore(database, this.clock, this.identifiers, this.pendingWrites);
  }

  /** Advances time while the service is available. */
  async advance(seconds: number): Promise<void> {
    await this.availabilityClock.tick();
    this.clock.advanceSeconds(seconds);
    await this.testDatabase.recordAvailable(seconds, this.clock.now());
    await this.availabilityClock.tick();
  }

  async moment(): Promise<Moment> {
    return { at: this.clock.now(), availableMs: await this.availableMs() };
  }

  async availableMs(): Promise<number> {
    return (await this.list.asOf()).availableMs;
  }

  register(
    hostId: string,
    facts: Partial<ProcessServerFacts> = {},
    registry: Pick<Registry, 'change'> = this.registry,
    passphraseId: string = randomUUID(),
    enrolmentId: string | null = null,
  ): Promise<RegistrationResult> {
    const command = {
      hostId,
      facts: someFacts(facts),
      sentAt: null,
      passphraseId: enrolmentId === null ? passphraseId : null,
      enrolmentId,
      previousCredentialHash: null,
      actor: AN_AGENT,
    };
    return registry.change(hostId, (locked) => register(command, locked, [], 30, TERMS, MINT));
  }

  async registered(facts: Partial<ProcessServerFacts> = {}, hostId: string = randomUUID()): Promise<StoredServer> {
    const { generation, credential } = await this.register(hostId, facts);
    return { hostId, generation, credentialHash: MINT.verify(hostId, credential)?.credentialHash ?? '' };
  }

  async decommission({ hostId }: Pick<StoredServer, 'hostId'>, registry = this.registry): Promise<Date> {
    const command = {
      by: { kind: 'operator' },
      actor: AN_OPERATOR,
      generation: null,
      force: true,
      reason: 'test',
    } as const;
    return (await registry.change(hostId, (locked) => decommission(command, locked, CLEAN_UP_TIMING))).removeBy;
  }

  /** Registers and decommissions a process server. */
  async decommissioned(facts: Partial<ProcessServerFacts> = {}, hostId: string = randomUUID()): Promise<StoredServer> {
    const server = await this.registered(facts, hostId);
    await this.decommission(server);
    return server;
  }

  purge(
    { hostId, generation }: Pick<StoredServer, 'hostId' | 'generation'>,
    over: Partial<PurgeCommand> = {},
    registry: Pick<Registry, 'change'> = this.registry,
  ): Promise<PurgeResult> {
    const command: PurgeCommand = {
      generation,
      reason: 'scrapped',
      force: false,
      actor: AN_OPERATOR,
      planId: null,
      ...over,
    };
    return registry.change(hostId, (locked) => purge(hostId, command, locked));
  }

  /** Saves a purge plan for these process servers. Returns its id. */
  async savedPlan(...servers: readonly Pick<StoredServer, 'hostId' | 'generation'>[]): Promise<string> {
    const createdAt = this.clock.now();
    const candidates = servers.map(({ hostId, generation }) => ({
      hostId,
      generation,
      friendlyName: 'ps',
      ipAddress: '192.0.2.11',
      lastHeartbeatAt: null,
      blockedBy: null,
    }));
    const plan = {
      planId: randomUUID(),
      filter: { friendlyName: 'ps' },
      candidates,
      createdAt,
      fleetSize: 100,
      createdBy: 'anna',
      expiresAt: new Date(createdAt.getTime() + PLAN_LIFETIME_MS),
    };
    await this.plans.save(plan);
    return plan.planId;
  }

  /** A queued heartbeat with an assigned interval of 30 s. */
  heartbeat(
    server: StoredServer,
    over: Partial<Heartbeat> = {},
    queued: Partial<QueuedHeartbeat> = {},
  ): QueuedHeartbeat {
    return {
      heartbeat: aHeartbeat({ ...server, agentVersion: '9.63.7187.1', ...over }),
      assignedIntervalSeconds: 30,
      leaseSeconds: 180,
      deferred: false,
      ...queued,
    };
  }

  async write(...batch: readonly QueuedHeartbeat[]): Promise<HeartbeatVerdict[]> {
    const moment = await this.moment();
    return this.leases.writeBatch(batch, () => moment, 5_000);
  }

  /** `accepted`, `deferred`, or the code of a rejection. */
  async outcomes(...batch: readonly QueuedHeartbeat[]): Promise<string[]> {
    return (await this.write(...batch)).map((verdict) =>
      verdict.outcome === 'rejected' ? verdict.rejection.code : verdict.outcome,
    );
  }

  /** All rows of the fleet tables. */
  async contents(): Promise<Record<string, unknown[]>> {
    const contents: Record<string, unknown[]> = {};
    for (const table of FLEET_TABLES)
      contents[table] = await this.testDatabase.rows('SELECT * FROM ?? ORDER BY 1, 2', [table]);
    return contents;
  }

  async lease({ hostId }: Pick<StoredServer, 'hostId'>): Promise<Record<string, unknown> | undefined> {
    return (await this.testDatabase.rows('SELECT * FROM process_server_lease WHERE host_id = ?', [hostId]))[0];
  }

  async eventKinds(hostId: string): Promise<string[]> {
    const rows = await this.testDatabase.rows<{ kind: string }>(
      'SELECT kind FROM event WHERE host_id = ? ORDER BY at, id',
      [hostId],
    );
    return rows.map(({ kind }) => kind);
  }

  /** Whether the host has rows (1 or 0): entry, lease, health, names, tombstone. */
  async rowsOf(hostId: string): Promise<number[]> {
    const found = FLEET_TABLES.map((table) =>
      this.testDatabase.rows('SELECT host_id FROM ?? WHERE host_id = ? LIMIT 1', [table, hostId]),
    );
    return (await Promise.all(found)).map(({ length }) => length);
  }
}

/** The code of the rejection, or null. */
export const codeOf = (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

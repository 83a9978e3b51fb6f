import { randomUUID } from 'node:crypto';
import type { PoolConnection } from 'mysql2';
import type { Connection } from 'mysql2/promise';
import {
  availabilityTiming,
  ListeningClock,
  PLAN_LIFETIME_MS,
  decommission,
  parseVersion,
  purge,
  register,
  type Actor,
  type Heartbeat,
  type HeartbeatVerdict,
  type Moment,
  type ProcessServerFacts,
  type PurgeAnswer,
  type PurgeOrder,
  type Registry,
  type RegistrationAnswer,
  type RegistrationTerms,
  type Version,
  type WaitingHeartbeat,
} from '@app/fleet';
import {
  EventReader,
  FleetCounter,
  FleetReader,
  LeaseStore,
  ListeningStore,
  PlanStore,
  RegistryStore,
  RemovalStore,
  StampsInFlight,
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
import { fixedFraction, HandClock } from './hand-clock.js';
import { TestDatabase } from './test-database.js';

/** Set by the second run of the store specs: every connection is treated as one to a Galera node. */
export const AS_ON_CLUSTER_NODE = process.env['TEST_AS_ON_CLUSTER_NODE'] === '1';

/** A database whose statements a test can look at, and step in before. */
export class WatchedDatabase extends Database {
  protected override isClusterNode(connection: PoolConnection): Promise<boolean> {
    return AS_ON_CLUSTER_NODE ? Promise.resolve(true) : super.isClusterNode(connection);
  }

  readonly statements: string[] = [];
  /** Reads outside of transactions, with their parameters: to be explained. */
  readonly reads: Statement[] = [];
  /** Runs before each statement. */
  before: (sql: string, parameters: readonly unknown[]) => Promise<unknown> = async () => undefined;

  override async rows<Row>(sql: string, parameters: readonly unknown[] = [], withinMs?: number): Promise<Row[]> {
    await this.watch(sql, parameters);
    this.reads.push({ sql, parameters });
    return super.rows<Row>(sql, parameters, withinMs);
  }

  /** Whether the server ends this read as too long; a busy machine, which is slower than any limit, otherwise ends none. */
  isTooLong: (sql: string) => boolean = () => false;

  /** The limits of reads that had one, in ms. */
  readonly limits: number[] = [];

  override async rowsWithin<Row>(ms: number, sql: string, parameters: readonly unknown[] = []): Promise<Row[] | null> {
    this.limits.push(ms);
    return this.isTooLong(sql) ? null : super.rowsWithin<Row>(ms * 40, sql, parameters);
  }

  override async transaction<A>(
    work: (transaction: Transaction, mayBeUnderWay: boolean) => Promise<A>,
    options: TransactionOptions = {},
  ): Promise<A> {
    return super.transaction((transaction, mayBeUnderWay) => {
      const watched: Transaction = {
        rows: async <Row>(sql: string, parameters: readonly unknown[] = []) => {
          await this.watch(sql, parameters);
          return transaction.rows<Row>(sql, parameters);
        },
        write: async (sql, parameters = []) => {
          await this.watch(sql, parameters);
          return transaction.write(sql, parameters);
        },
        writeEach: async (statements) => {
          for (const { sql, parameters } of statements) await this.watch(sql, parameters);
          return transaction.writeEach(statements);
        },
        writeWhole: async (first, expected, rest) => {
          for (const { sql, parameters } of [first, ...rest]) await this.watch(sql, parameters);
          return transaction.writeWhole(first, expected, rest);
        },
      };
      return work(watched, mayBeUnderWay);
    }, options);
  }

  private async watch(sql: string, parameters: readonly unknown[]): Promise<void> {
    this.statements.push(sql.trim());
    await this.before(sql, parameters);
  }
}

/** A process server as the stores know it. */
export interface StoredServer {
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
}

export const AVAILABILITY = availabilityTiming(180);
export const AN_AGENT: Actor = { name: 'process-server', address: '192.0.2.11', requestId: 'request-1' };
export const AN_OPERATOR: Actor = { name: 'anna', address: '198.51.100.7', requestId: 'request-2' };
export const OURS = parseVersion('9.63.7187.1') as Version;
export const TERMS: RegistrationTerms = {
  version: OURS,
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};
export const MINT = new HmacCredentials(Buffer.alloc(32, 7));
export const CLEAN_UP_TIMING = { graceSeconds: 300, intervalSeconds: 60 };

/** The tables that say what is true of the fleet; a refused call leaves all of them as they were. */
const FLEET_TABLES = [
  'process_server',
  'process_server_lease',
  'process_server_health',
  'process_server_name',
  'tombstone',
] as const;
/** What `rowsOf` finds of an entry, and of one that is gone. */
export const AN_ENTRY = [1, 1, 1, 1, 0];
export const A_TOMBSTONE = [0, 0, 0, 0, 1];

/** Every store on a schema of its own and a clock moved by hand; the heartbeats' database is as in production: one connection, a lock wait of a second. */
export class TestStores {
  readonly identifiers = new UuidIdentifiers();
  readonly stamps = new StampsInFlight();
  readonly registry: RegistryStore;
  readonly leases: LeaseStore;
  readonly listening: ListeningStore;
  /** A replica's copy of the row: records that it could commit heartbeats. */
  readonly availability: ListeningClock;
  readonly removals: RemovalStore;
  readonly plans: PlanStore;
  readonly reader: FleetReader;
  readonly counter: FleetCounter;
  readonly events: EventReader;
  private readonly opened: Database[] = [];
  private readonly holders = new Set<Connection>();

  private constructor(
    readonly site: TestDatabase,
    readonly clock: HandClock,
    readonly database: WatchedDatabase,
    readonly heartbeatDatabase: WatchedDatabase,
  ) {
    this.registry = this.registryOn(database);
    this.leases = new LeaseStore(heartbeatDatabase, this.identifiers, OURS, this.stamps);
    this.listening = new ListeningStore(database, this.identifiers, 'replica-1', AVAILABILITY);
    this.availability = new ListeningClock(this.listening, clock, AVAILABILITY);
    this.removals = new RemovalStore(database, clock, this.identifiers);
    this.plans = new PlanStore(database, clock, OURS);
    this.reader = new FleetReader(database, clock, OURS, this.stamps);
    this.counter = new FleetCounter(database, clock, OURS);
    this.events = new EventReader(database, clock);
    this.opened.push(database, heartbeatDatabase);
  }

  static async open(): Promise<TestStores> {
    const site = await TestDatabase.make();
    const database = new WatchedDatabase(site.address, fixedFraction(0), { connections: 4, lockWaitSeconds: 3 });
    const heartbeatDatabase = new WatchedDatabase(site.address, fixedFraction(0), {
      connections: 1,
      lockWaitSeconds: 1,
    });
    return new TestStores(site, new HandClock(), database, heartbeatDatabase);
  }

  /** An empty fleet that has just been noted as listening. */
  async fresh(): Promise<void> {
    this.letGo();
    for (const database of [this.database, this.heartbeatDatabase]) {
      database.before = async () => undefined;
      database.statements.length = 0;
    }
    await this.site.empty();
    await this.availability.note();
  }

  /** Somebody else's transaction that holds this host's lease. Call what it returns to end it; a test that fails leaves none behind. */
  async hold({ hostId }: Pick<StoredServer, 'hostId'>): Promise<() => Promise<void>> {
    const holder = await this.site.connect();
    this.holders.add(holder);
    await holder.query('START TRANSACTION');
    await holder.query('SELECT host_id FROM process_server_lease WHERE host_id = ? FOR UPDATE', [hostId]);
    return async () => {
      this.holders.delete(holder);
      await holder.query('ROLLBACK');
      await holder.end();
    };
  }

  private letGo(): void {
    for (const holder of this.holders) holder.destroy();
    this.holders.clear();
  }

  async close(): Promise<void> {
    this.letGo();
    for (const database of this.opened) await database.close();
    await this.site.drop();
  }

  /** One more connection pool, as another replica has, perhaps by another way. */
  connect(address: Partial<DatabaseAddress> = {}): WatchedDatabase {
    const { socketPath, ...rest } = this.site.address;
    const way = address.host ? rest : { ...rest, ...(socketPath && { socketPath }) };
    const database = new WatchedDatabase({ ...way, ...address }, fixedFraction(0), {
      connections: 2,
      lockWaitSeconds: 3,
    });
    this.opened.push(database);
    return database;
  }

  registryOn(database: Database): RegistryStore {
    return new RegistryStore(database, this.clock, this.identifiers, this.stamps);
  }

  /** Time passes while somebody listens. */
  async pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 10) {
      this.clock.advanceSeconds(Math.min(10, left));
      await this.availability.note();
    }
  }

  async moment(): Promise<Moment> {
    return { now: this.clock.now(), listenedMs: await this.listenedMs() };
  }

  async listenedMs(): Promise<number> {
    return (await this.reader.asOf()).listenedMs;
  }

  register(
    hostId: string,
    facts: Partial<ProcessServerFacts> = {},
    registry: Pick<Registry, 'change'> = this.registry,
    passphraseId: string = randomUUID(),
  ): Promise<RegistrationAnswer> {
    const order = {
      hostId,
      facts: someFacts(facts),
      sentAt: null,
      passphraseId,
      previousCredentialHash: null,
      actor: AN_AGENT,
    };
    return registry.change(hostId, (held) => register(order, held, [], 30, TERMS, MINT));
  }

  async registered(facts: Partial<ProcessServerFacts> = {}, hostId: string = randomUUID()): Promise<StoredServer> {
    const { generation, credential } = await this.register(hostId, facts);
    return { hostId, generation, credentialHash: MINT.open(hostId, credential)?.credentialHash ?? '' };
  }

  async decommission({ hostId }: Pick<StoredServer, 'hostId'>, registry = this.registry): Promise<Date> {
    const order = {
      by: { kind: 'operator' },
      actor: AN_OPERATOR,
      generation: null,
      force: true,
      reason: 'test',
    } as const;
    return (await registry.change(hostId, (held) => decommission(order, held, CLEAN_UP_TIMING))).removeBy;
  }

  /** An entry that leaves now. */
  async leaving(facts: Partial<ProcessServerFacts> = {}, hostId: string = randomUUID()): Promise<StoredServer> {
    const server = await this.registered(facts, hostId);
    await this.decommission(server);
    return server;
  }

  purge(
    { hostId, generation }: Pick<StoredServer, 'hostId' | 'generation'>,
    over: Partial<PurgeOrder> = {},
    registry: Pick<Registry, 'change'> = this.registry,
  ): Promise<PurgeAnswer> {
    const order: PurgeOrder = {
      generation,
      reason: 'scrapped',
      force: false,
      actor: AN_OPERATOR,
      planId: null,
      ...over,
    };
    return registry.change(hostId, (held) => purge(hostId, order, held));
  }

  /** The id of a plan to purge these. */
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

  /** A heartbeat that its sender is about to be told 30 s for. */
  beat(server: StoredServer, over: Partial<Heartbeat> = {}, waiting: Partial<WaitingHeartbeat> = {}): WaitingHeartbeat {
    return {
      beat: aHeartbeat({ ...server, agentVersion: '9.63.7187.1', ...over }),
      toldIntervalSeconds: 30,
      leaseSeconds: 180,
      carried: false,
      ...waiting,
    };
  }

  async write(...group: readonly WaitingHeartbeat[]): Promise<HeartbeatVerdict[]> {
    const moment = await this.moment();
    return this.leases.writeGroup(group, () => moment, 5_000);
  }

  /** `accepted`, `carry`, or the code of a refusal. */
  async outcomes(...group: readonly WaitingHeartbeat[]): Promise<string[]> {
    return (await this.write(...group)).map((verdict) =>
      verdict.outcome === 'refused' ? verdict.fault.code : verdict.outcome,
    );
  }

  /** Everything that is true of the fleet, row by row. */
  async contents(): Promise<Record<string, unknown[]>> {
    const contents: Record<string, unknown[]> = {};
    for (const table of FLEET_TABLES) contents[table] = await this.site.rows('SELECT * FROM ?? ORDER BY 1, 2', [table]);
    return contents;
  }

  async lease({ hostId }: Pick<StoredServer, 'hostId'>): Promise<Record<string, unknown> | undefined> {
    return (await this.site.rows('SELECT * FROM process_server_lease WHERE host_id = ?', [hostId]))[0];
  }

  async kinds(hostId: string): Promise<string[]> {
    const rows = await this.site.rows<{ kind: string }>('SELECT kind FROM event WHERE host_id = ? ORDER BY at, id', [
      hostId,
    ]);
    return rows.map(({ kind }) => kind);
  }

  /** In which of the tables a host id has rows: 1 or 0 for entry, lease, health, names and tombstone. */
  async rowsOf(hostId: string): Promise<number[]> {
    const found = FLEET_TABLES.map((table) =>
      this.site.rows('SELECT host_id FROM ?? WHERE host_id = ? LIMIT 1', [table, hostId]),
    );
    return (await Promise.all(found)).map(({ length }) => length);
  }
}

/** The code of the refusal that a call ends with, or null. */
export const codeOf = (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

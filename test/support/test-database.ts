import { randomBytes } from 'node:crypto';
import { createConnection, type Connection, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';
import type { DatabaseAddress } from '@app/fleet-mysql';
import { eventually } from './eventually.js';

/** A migrated schema for one test file, on the database server of the run. */
export class TestDatabase {
  private constructor(
    readonly address: DatabaseAddress,
    private readonly connection: Connection,
  ) {}

  static async make(): Promise<TestDatabase> {
    const database = await TestDatabase.makeEmpty();
    await database.connection.query(process.env['TEST_SCHEMA'] ?? '');
    return database;
  }

  static async makeEmpty(): Promise<TestDatabase> {
    const server = JSON.parse(process.env['TEST_DATABASE'] ?? '{}') as Omit<DatabaseAddress, 'database'>;
    const database = `cs_test_${randomBytes(6).toString('hex')}`;
    const connection = await createConnection({
      ...server,
      timezone: 'Z',
      charset: 'utf8mb4_unicode_520_ci',
      supportBigNumbers: true,
      multipleStatements: true,
      maxPreparedStatements: 1,
    });
    await connection.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    await connection.changeUser({ database });
    // On a cluster, reads see commits of other nodes. A single server may not know the variable.
    await connection.query('SET SESSION wsrep_sync_wait = 15').catch(() => undefined);
    return new TestDatabase({ ...server, database }, connection);
  }

  /** Address of the schema for the replica of this number: replicas are spread over the nodes of a cluster. */
  addressOf(replica: number): DatabaseAddress {
    const nodes = JSON.parse(process.env['TEST_DATABASE_NODES'] ?? '[]') as Omit<DatabaseAddress, 'database'>[];
    const node = nodes[replica % nodes.length];
    return node ? { ...node, database: this.address.database } : this.address;
  }

  /** The value of DATABASE_URL for a schema on this server. */
  urlOf(schema: string): string {
    const { user, password, host, port, socketPath } = this.address;
    const login = `${user}:${encodeURIComponent(password)}`;
    return socketPath
      ? `mysql://${login}@localhost/${schema}?socket=${encodeURIComponent(socketPath)}`
      : `mysql://${login}@${host}:${port}/${schema}`;
  }

  async rows<Row = Record<string, unknown>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const [rows] = await this.connection.query<RowDataPacket[]>(sql, parameters);
    return rows as Row[];
  }

  async write(sql: string, parameters: unknown[] = []): Promise<number> {
    const [header] = await this.connection.query<ResultSetHeader>(sql, parameters);
    return header.affectedRows;
  }

  async count(table: string): Promise<number> {
    const [row] = await this.rows<{ count: number }>('SELECT COUNT(*) AS count FROM ??', [table]);
    return row?.count ?? 0;
  }

  /** Differences between counters and entries; expected to be empty. */
  async counterErrors(): Promise<unknown[]> {
    return this.rows(`
      SELECT both_sides.version_key, both_sides.os_key, both_sides.decommissioned, SUM(both_sides.entries) AS too_many
        FROM (SELECT t.version_key, t.os_key, t.decommissioned, t.entries FROM fleet_counter_delta AS t
              UNION ALL SELECT p.version_key, p.os_key, p.decommissioned_at IS NOT NULL, -1 FROM process_server AS p) AS both_sides
       GROUP BY 1, 2, 3 HAVING SUM(both_sides.entries) <> 0`);
  }

  /** Rebuilds the counters after a test wrote entries directly into the tables. */
  async rebuildCounters(): Promise<void> {
    await this.write('DELETE FROM fleet_counter_delta');
    await this.write(
      'INSERT INTO fleet_counter_delta (version_key, os_key, decommissioned, entries) SELECT p.version_key, p.os_key, p.decommissioned_at IS NOT NULL, COUNT(*) FROM process_server AS p GROUP BY 1, 2, 3',
    );
  }

  /** Opens another connection, to lock rows. */
  async connect(): Promise<Connection> {
    const connection = await createConnection({ ...this.address, timezone: 'Z', maxPreparedStatements: 1 });
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    return connection;
  }

  /** Resolves when a statement of another connection waits, for example for a row that a test has locked. */
  async untilLocked(): Promise<void> {
    const waiting = `SELECT ID FROM information_schema.PROCESSLIST
      WHERE DB = DATABASE() AND COMMAND = 'Query' AND ID <> CONNECTION_ID() AND INFO LIKE '%process_server_lease%'`;
    await eventually('a statement waits', 30_000, async () => (await this.rows(waiting)).length > 0);
  }

  /** Records that the service was available for the seconds until `now`, as another replica would in many small steps. */
  async recordAvailable(seconds: number, now: Date): Promise<void> {
    await this.write('UPDATE availability_clock SET available_ms = available_ms + ?, recorded_at = ?', [
      seconds * 1000,
      now,
    ]);
  }

  /** Deletes all rows except passphrases, keys and the site. */
  async empty(): Promise<void> {
    const tables = [
      'process_server_name_history',
      'process_server_health',
      'process_server_lease',
      'process_server',
      'tombstone',
      'event',
      'availability_clock',
      'purge_plan',
      'clean_up_run',
      'monitor_progress',
      'fleet_counter_delta',
      'product_release',
      'release_catalogue',
    ];
    await this.connection.query(`BEGIN; ${tables.map((table) => `DELETE FROM ${table};`).join(' ')} COMMIT`);
  }

  async drop(): Promise<void> {
    await this.connection.query(`DROP DATABASE ${this.address.database}`);
    await this.connection.end();
  }
}

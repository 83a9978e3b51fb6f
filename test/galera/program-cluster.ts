import { randomBytes } from 'node:crypto';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { Agent, request } from 'undici';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';

interface Node {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export const NODES = JSON.parse(process.env['TEST_DATABASE_NODES'] ?? '[]') as readonly Node[];
export const NODE_PIDS = JSON.parse(process.env['CLUSTER_PIDS'] ?? '[]') as readonly number[];

/** No rate limits and short intervals; concurrent registrations of one host are all accepted. */
const SETTINGS = {
  MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
  API_KEY_REQUESTS_PER_SECOND: '100000',
  ANONYMOUS_REQUESTS_PER_SECOND: '100000',
  HEARTBEAT_INTERVAL_SECONDS: '1',
  LEASE_SECONDS: '10',
  CLEAN_UP_GRACE_SECONDS: '3',
  CLEAN_UP_INTERVAL_SECONDS: '2',
  DATABASE_POOL_SIZE: '10',
  REREGISTRATION_PROOF: 'none',
};

export interface Reply {
  /** 0 if there was no response. */
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly sentAtMs: number;
  readonly tookMs: number;
}

/** Whole programs on one schema of the cluster, each connected to its own node. */
export class ProgramCluster {
  readonly replicas: ServerProgram[] = [];
  private readonly folders: ServerFolder[] = [];
  private readonly agent = new Agent({ connections: 64, headersTimeout: 20_000, bodyTimeout: 20_000 });
  private passphrase = '';
  private adminKey = '';

  private constructor(
    private readonly schema: string,
    private readonly connection: Connection,
  ) {}

  /** Creates a schema and starts a replica for each of the nodes. The first node is used for reading the schema. */
  static async open(nodes: readonly number[]): Promise<ProgramCluster> {
    const schema = `cs_test_${randomBytes(6).toString('hex')}`;
    const connection = await createConnection({
      ...NODES[0],
      timezone: 'Z',
      multipleStatements: true,
      supportBigNumbers: true,
    });
    await connection.query('SET SESSION wsrep_sync_wait = 15');
    await connection.query(`CREATE DATABASE ${schema}`);
    await connection.changeUser({ database: schema });
    const cluster = new ProgramCluster(schema, connection);
    for (const node of nodes) await cluster.startAt([node]);
    return cluster;
  }

  /** Starts replicas concurrently, one for each node. */
  async startAt(nodes: readonly number[]): Promise<void> {
    const folders = await Promise.all(
      nodes.map((node) => ServerFolder.make({ ...SETTINGS, DATABASE_URL: this.urlOf(node) })),
    );
    this.folders.push(...folders);
    this.replicas.push(...(await Promise.all(folders.map((folder) => folder.start()))));
    for (const folder of folders) {
      this.passphrase ||= await folder.passphrase().catch(() => '');
      this.adminKey ||= await folder.adminKey().catch(() => '');
    }
  }

  async rows<Row = Record<string, unknown>>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const [rows] = await this.connection.query<RowDataPacket[]>(sql, [...parameters]);
    return rows as Row[];
  }

  get asAgent(): string {
    return `Passphrase ${this.passphrase}`;
  }

  get asOperator(): string {
    return `Bearer ${this.adminKey}`;
  }

  async call(
    replica: number,
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    authorization: string,
    body?: unknown,
  ): Promise<Reply> {
    const sentAtMs = Date.now();
    const reply = (status: number, text: string): Reply => ({
      status,
      body: text ? (JSON.parse(text) as Reply['body']) : {},
      sentAtMs,
      tookMs: Date.now() - sentAtMs,
    });
    try {
      const response = await request(`${this.replicas[replica]?.url}/v1/process-servers${path && `/${path}`}`, {
        method,
        dispatcher: this.agent,
        headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return reply(response.statusCode, await response.body.text());
    } catch {
      return reply(0, '');
    }
  }

  /** Forbidden rows: rows that contradict each other, and generations with more than one registration. */
  async violations(): Promise<Record<string, unknown[]>> {
    return {
      counterErrors: await this.rows(`
        SELECT x.version_key, x.os_key, x.decommissioned, SUM(x.entries) AS too_many
          FROM (SELECT t.version_key, t.os_key, t.decommissioned, t.entries FROM fleet_counter_delta AS t
                UNION ALL SELECT p.version_key, p.os_key, p.decommissioned_at IS NOT NULL, -1 FROM process_server AS p) AS x
         GROUP BY 1, 2, 3 HAVING SUM(x.entries) <> 0`),
      halfEntries: await this.rows(`
        SELECT p.host_id, p.generation, l.generation AS lease_generation
          FROM process_server AS p
          LEFT JOIN process_server_lease AS l ON l.host_id = p.host_id AND l.generation = p.generation AND l.retired = (p.decommissioned_at IS NOT NULL)
          LEFT JOIN process_server_health AS h ON h.host_id = p.host_id
          LEFT JOIN process_server_name_history AS n ON n.host_id = p.host_id AND n.valid_until IS NULL
         WHERE l.host_id IS NULL OR h.host_id IS NULL OR n.host_id IS NULL`),
      entriesWithTombstone: await this.rows(
        'SELECT p.host_id FROM process_server AS p JOIN tombstone AS t ON t.host_id = p.host_id',
      ),
      changesTwice: await this.rows(`
        SELECT e.host_id, e.generation, MIN(e.kind) AS kind, COUNT(*) AS times
          FROM event AS e
         WHERE e.kind IN ('registered', 'registered_again', 'replaced', 'decommissioned', 'purged', 'purged_by_force', 'removed')
         GROUP BY e.host_id, e.generation, IF(e.kind IN ('registered', 'registered_again', 'replaced'), 'registered', REPLACE(e.kind, '_by_force', ''))
        HAVING COUNT(*) > 1`),
      otherGeneration: await this.rows(`
        SELECT e.host_id, e.generation, k.generation AS kept
          FROM (SELECT host_id, MAX(generation) AS generation FROM event WHERE kind IN ('registered', 'registered_again', 'replaced') GROUP BY host_id) AS e
          LEFT JOIN (SELECT host_id, generation FROM process_server UNION ALL SELECT host_id, generation FROM tombstone) AS k ON k.host_id = e.host_id
         WHERE NOT (k.generation <=> e.generation)`),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.filter(({ isRunning }) => isRunning).map((replica) => replica.stop()));
    for (const folder of this.folders) await folder.remove();
    await this.agent.close();
    await this.connection.query(`DROP DATABASE ${this.schema}`);
    await this.connection.end();
  }

  private urlOf(number: number): string {
    const { host, port, user, password } = NODES[number] as Node;
    return `mysql://${user}:${password}@${host}:${port}/${this.schema}`;
  }
}

/** The result of `violations` if there are none. */
export const NO_VIOLATIONS = {
  counterErrors: [],
  halfEntries: [],
  entriesWithTombstone: [],
  changesTwice: [],
  otherGeneration: [],
};

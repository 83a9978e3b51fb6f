import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { argumentsForData, findDatabaseProgram, initializeDataDirectory, resolvePaths } from '@app/dev-database';
import { eventually } from './server-program.js';

const SCHEMA = 'fleet';

/** A database server of one test's own, reached over TCP, whose settings a test may change. */
export class DedicatedDatabaseServer {
  private constructor(
    private readonly folder: string,
    private readonly child: ChildProcess,
    readonly port: number,
    /** As root, by the socket. */
    readonly root: Connection,
  ) {}

  /** With an empty schema `fleet` and a user `fleet` who has all rights on it. */
  static async start(options: readonly string[] = []): Promise<DedicatedDatabaseServer> {
    const folder = await mkdtemp(join(tmpdir(), 'own-server-'));
    const program = await findDatabaseProgram(() => undefined);
    const places = await resolvePaths(folder);
    const dataArguments = argumentsForData(program, places);
    await mkdir(places.data, { mode: 0o700 });
    await initializeDataDirectory(program, dataArguments);
    const port = await freePort();
    const smallSettings = [
      '--innodb-log-file-size=8M',
      '--innodb-buffer-pool-size=32M',
      '--performance-schema=OFF',
      '--skip-name-resolve',
    ];
    const settings = [
      `--socket=${places.socket}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--log-error=${places.log}`,
      '--character-set-server=utf8mb4',
      ...smallSettings,
      ...options,
    ];
    const child = spawn(program.path, [...dataArguments, ...settings], { stdio: 'ignore' });
    const root = await eventually('the server answers', 60_000, () =>
      createConnection({ socketPath: places.socket, user: 'root', multipleStatements: true }).catch(() => null),
    );
    await root.query(`CREATE DATABASE ${SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    const server = new DedicatedDatabaseServer(folder, child, port, root);
    await server.addUser(SCHEMA);
    return server;
  }

  /** Its password is its name. `demands` is e.g. `REQUIRE SSL`. */
  async addUser(name: string, rights = 'ALL PRIVILEGES', demands = ''): Promise<void> {
    await this.root.query(
      `CREATE USER '${name}'@'127.0.0.1' IDENTIFIED BY '${name}' ${demands}; GRANT ${rights} ON ${SCHEMA}.* TO '${name}'@'127.0.0.1'`,
    );
  }

  get address(): { host: string; port: number; user: string; password: string; database: string } {
    return { host: '127.0.0.1', port: this.port, user: SCHEMA, password: SCHEMA, database: SCHEMA };
  }

  async rows<Row = Record<string, unknown>>(sql: string): Promise<Row[]> {
    const [rows] = await this.root.query<RowDataPacket[]>(sql);
    return rows as Row[];
  }

  /** Connections of users other than root. */
  async connections(): Promise<number> {
    return (await this.rows(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${SCHEMA}'`)).length;
  }

  async readOnly(isReadOnly: boolean): Promise<void> {
    await this.root.query(`SET GLOBAL read_only = ${isReadOnly ? 'ON' : 'OFF'}`);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.root.destroy();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = once(this.child, 'exit');
      this.child.kill(signal);
      await gone;
    }
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((closed) => probe.close(closed));
  return port;
}

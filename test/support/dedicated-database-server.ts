import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { argumentsForData, findDatabaseProgram, initializeDataDirectory, resolvePaths } from '@app/dev-database';
import { eventually } from './eventually.js';

const SCHEMA = 'fleet';

/** A database server for a single test, reachable over TCP. The test may change its settings. */
export class DedicatedDatabaseServer {
  private constructor(
    private readonly folder: string,
    private readonly child: ChildProcess,
    readonly port: number,
    /** Connection as root over the socket. */
    readonly root: Connection,
  ) {}

  /** Starts a server with an empty schema `fleet` and a user `fleet` that has all privileges on it. */
  static async start(options: readonly string[] = []): Promise<DedicatedDatabaseServer> {
    const folder = await mkdtemp(join(tmpdir(), 'own-server-'));
    const program = await findDatabaseProgram(() => undefined);
    const paths = await resolvePaths(folder);
    const dataArguments = argumentsForData(program, paths);
    await mkdir(paths.data, { mode: 0o700 });
    await initializeDataDirectory(program, dataArguments);
    const port = await freePort();
    const smallSettings = [
      '--innodb-log-file-size=8M',
      '--innodb-buffer-pool-size=32M',
      '--performance-schema=OFF',
      '--skip-name-resolve',
    ];
    const settings = [
      `--socket=${paths.socket}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--log-error=${paths.log}`,
      '--character-set-server=utf8mb4',
      ...smallSettings,
      ...options,
    ];
    const child = spawn(program.path, [...dataArguments, ...settings], { stdio: 'ignore' });
    const root = await eventually('the server responds', 60_000, () =>
      createConnection({ socketPath: paths.socket, user: 'root', multipleStatements: true }).catch(() => null),
    );
    await root.query(`CREATE DATABASE ${SCHEMA} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    const server = new DedicatedDatabaseServer(folder, child, port, root);
    await server.addUser(SCHEMA);
    return server;
  }

  /** Adds a user whose password is its name. `requirements` is e.g. `REQUIRE SSL`. */
  async addUser(name: string, privileges = 'ALL PRIVILEGES', requirements = ''): Promise<void> {
    await this.root.query(
      `CREATE USER '${name}'@'127.0.0.1' IDENTIFIED BY '${name}' ${requirements}; GRANT ${privileges} ON ${SCHEMA}.* TO '${name}'@'127.0.0.1'`,
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
      const exited = once(this.child, 'exit');
      this.child.kill(signal);
      await exited;
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

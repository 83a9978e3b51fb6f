/** A Galera cluster of three nodes on loopback, in its own folder. */
import { execFile, spawn } from 'node:child_process';
import { chownSync, closeSync, openSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';

const run = promisify(execFile);
const NODES = 3;
const READY_WITHIN_MS = 120_000;
const END_WITHIN_MS = 20_000;
/** The rsync state transfer fails as root, because its daemon drops root and then cannot write. */
const NOBODY = { uid: 65_534, gid: 65_534 };
export const USER = 'configuration_server_test';

export class GaleraCluster {
  #nodes;

  constructor(nodes) {
    this.#nodes = nodes;
  }

  /** Starts the nodes one after the other; each joins the earlier ones. */
  static async start(folder, programs, password) {
    const owner = process.getuid?.() === 0 ? NOBODY : {};
    await chmod(folder, 0o755);
    const ports = await freePorts(NODES * 4);
    const nodes = Array.from({ length: NODES }, (_, index) => ({
      name: `node-${index + 1}`,
      folder: join(folder, `node-${index + 1}`),
      ports: {
        sql: ports[index * 4],
        group: ports[index * 4 + 1],
        incremental: ports[index * 4 + 2],
        full: ports[index * 4 + 3],
      },
      process: null,
    }));
    const cluster = new GaleraCluster(nodes);
    try {
      for (const node of nodes) await makeFolders(node, owner);
      await run(
        programs.installDb,
        [
          '--no-defaults',
          `--datadir=${join(nodes[0].folder, 'data')}`,
          '--auth-root-authentication-method=normal',
          '--skip-test-db',
          '--skip-name-resolve',
        ],
        owner,
      );
      for (const node of nodes) {
        await writeFile(join(node.folder, 'my.cnf'), configurationOf(node, nodes, programs.provider));
        launch(node, programs, owner, node === nodes[0]);
        await ready(node);
        if (node === nodes[0]) await createUser(node, password);
      }
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The address and the process of each node. */
  get nodes() {
    return this.#nodes.map(({ ports, process: child }) => ({ host: '127.0.0.1', port: ports.sql, pid: child.pid }));
  }

  /** Terminates every node. */
  async stop() {
    const running = this.#nodes
      .map(({ process: child }) => child)
      .filter((child) => child && child.exitCode === null && child.signalCode === null);
    for (const child of running) {
      child.kill('SIGCONT'); // a test may have stopped it
      child.kill('SIGTERM');
    }
    const deadlineMs = performance.now() + END_WITHIN_MS;
    for (const child of running) {
      while (child.exitCode === null && child.signalCode === null) {
        if (performance.now() > deadlineMs) child.kill('SIGKILL');
        await pause(50);
      }
    }
  }
}

function launch(node, { server, environment }, owner, isFirst) {
  const log = openSync(join(node.folder, 'output.log'), 'a');
  node.process = spawn(
    server,
    [`--defaults-file=${join(node.folder, 'my.cnf')}`, ...(isFirst ? ['--wsrep-new-cluster'] : [])],
    {
      ...owner,
      cwd: node.folder,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', log, log],
    },
  );
  closeSync(log);
}

async function makeFolders({ folder }, { uid, gid }) {
  for (const path of [folder, join(folder, 'data'), join(folder, 'tmp')]) {
    await mkdir(path, { recursive: true });
    if (uid !== undefined) chownSync(path, uid, gid);
  }
}

const configurationOf = ({ name, folder, ports }, nodes, provider) => `[mysqld]
datadir=${folder}/data
socket=${folder}/s.sock
pid-file=${folder}/pid
tmpdir=${folder}/tmp
log-error=${folder}/error.log
bind-address=127.0.0.1
port=${ports.sql}
skip-name-resolve
binlog_format=ROW
default_storage_engine=InnoDB
innodb_autoinc_lock_mode=2
innodb_flush_log_at_trx_commit=1
innodb_log_file_size=16M
innodb_buffer_pool_size=64M
performance_schema=OFF
wsrep_on=ON
wsrep_provider=${provider}
wsrep_cluster_name=configuration_server_test
wsrep_cluster_address=gcomm://${nodes.map((node) => `127.0.0.1:${node.ports.group}`).join(',')}
wsrep_node_name=${name}
wsrep_node_address=127.0.0.1:${ports.group}
wsrep_node_incoming_address=127.0.0.1:${ports.sql}
wsrep_sst_method=rsync
wsrep_sst_receive_address=127.0.0.1:${ports.full}
wsrep_provider_options="base_port=${ports.group};gmcast.listen_addr=tcp://127.0.0.1:${ports.group};ist.recv_addr=127.0.0.1:${ports.incremental};gcache.size=64M;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT6S"
`;

async function ready(node) {
  const deadlineMs = performance.now() + READY_WITHIN_MS;
  const socketPath = join(node.folder, 's.sock');
  for (;;) {
    const connection = await createConnection({ socketPath, user: 'root' }).catch(() => null);
    const [rows] = (await connection?.query(`SHOW STATUS LIKE 'wsrep_local_state_comment'`).catch(() => null)) ?? [[]];
    await connection?.end().catch(() => undefined);
    if (rows[0]?.Value === 'Synced') return;
    const { exitCode, signalCode } = node.process;
    if (exitCode !== null || signalCode !== null || performance.now() > deadlineMs) {
      const log = await readFile(join(node.folder, 'error.log'), 'utf8').catch(() => '');
      throw new Error(
        `${node.name} of the cluster did not start (${signalCode ?? exitCode ?? 'out of time'}):\n${log.split('\n').slice(-25).join('\n')}`,
      );
    }
    await pause(100);
  }
}

async function createUser({ folder }, password) {
  const connection = await createConnection({ socketPath: join(folder, 's.sock'), user: 'root' });
  await connection.query(`CREATE USER '${USER}'@'127.0.0.1' IDENTIFIED BY ?`, [password]);
  await connection.query(`GRANT ALL ON *.* TO '${USER}'@'127.0.0.1'`);
  await connection.end();
}

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

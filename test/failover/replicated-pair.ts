import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { DedicatedDatabaseServer } from '../support/dedicated-database-server.js';

const REPLICATION_USER = 'replication';
/** Longer than any wait for a commit here, so that no commit is acknowledged without the replica. */
const SEMI_SYNC_TIMEOUT_MS = 60_000;
const CATCH_UP_SECONDS = 30;

const OPTIONS = [
  '--innodb-flush-log-at-trx-commit=2', // the tests kill a process, not a machine
  '--log-bin=binary',
  '--binlog-format=ROW',
  '--log-slave-updates=ON',
  '--gtid-strict-mode=ON',
  '--read-only=ON',
  '--rpl-semi-sync-slave-enabled=ON',
  `--rpl-semi-sync-master-timeout=${SEMI_SYNC_TIMEOUT_MS}`,
  '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
];

/** Two MariaDB servers with semi-synchronous replication: `read_only` is off on the primary alone. */
export class ReplicatedPair {
  private constructor(
    private present: DedicatedDatabaseServer,
    private other: DedicatedDatabaseServer,
  ) {}

  static async start(): Promise<ReplicatedPair> {
    const [first, second] = await Promise.all([
      DedicatedDatabaseServer.start([...OPTIONS, '--server-id=1']),
      DedicatedDatabaseServer.start([...OPTIONS, '--server-id=2']),
    ]);
    for (const { root } of [first, second]) {
      await root.query(
        `CREATE USER '${REPLICATION_USER}'@'127.0.0.1' IDENTIFIED BY '${REPLICATION_USER}'; GRANT REPLICATION SLAVE ON *.* TO '${REPLICATION_USER}'@'127.0.0.1'`,
      );
      await root.query('RESET MASTER'); // both servers start with the same data
    }
    const pair = new ReplicatedPair(first, second);
    await first.readOnly(false);
    await pair.attachReplica();
    return pair;
  }

  get primary(): DedicatedDatabaseServer {
    return this.present;
  }

  get replica(): DedicatedDatabaseServer {
    return this.other;
  }

  /** The replica follows its primary, and commits wait until the replica has them. */
  async attachReplica(): Promise<void> {
    await attach(this.other, this.present);
    await this.present.root.query('SET GLOBAL rpl_semi_sync_master_enabled = ON');
  }

  /**
   * A planned switch-over as in docs/database.md, without a writable server for at least `withoutPrimaryMs`. The old primary is
   * not attached as a replica: it has none of the later writes.
   */
  async switchOver(withoutPrimaryMs: number): Promise<void> {
    const [from, to] = [this.present, this.other];
    await from.root.query('FLUSH TABLES WITH READ LOCK');
    await from.readOnly(true);
    const [position] = await from.rows<{ gtid: string }>('SELECT @@GLOBAL.gtid_binlog_pos AS gtid');
    await applied(to, position?.gtid ?? '');
    await from.root.query('UNLOCK TABLES; SET GLOBAL rpl_semi_sync_master_enabled = OFF');
    await to.root.query('STOP SLAVE; RESET SLAVE ALL');
    await pause(withoutPrimaryMs);
    await to.readOnly(false);
    [this.present, this.other] = [to, from];
  }

  /** Kills the primary; the replica replaces it after it has applied everything that it received. */
  async crash(withoutPrimaryMs: number): Promise<void> {
    await this.present.stop('SIGKILL');
    const to = this.other;
    await pause(withoutPrimaryMs);
    await eventually(
      'the replica notices that its primary is gone',
      30_000,
      async () => (await replication(to))['Slave_IO_Running'] !== 'Yes',
    );
    await applied(to, String((await replication(to))['Gtid_IO_Pos']));
    await to.root.query('STOP SLAVE; RESET SLAVE ALL');
    await to.readOnly(false);
    this.present = to;
  }

  async stop(): Promise<void> {
    for (const server of [this.present, this.other]) await server.stop('SIGKILL');
  }
}

async function attach(replica: DedicatedDatabaseServer, primary: DedicatedDatabaseServer): Promise<void> {
  await replica.root.query(
    `SET GLOBAL gtid_slave_pos = '${(await replica.rows<{ gtid: string }>('SELECT @@GLOBAL.gtid_binlog_pos AS gtid'))[0]?.gtid ?? ''}'`,
  );
  await replica.root.query(
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = '${REPLICATION_USER}',
       MASTER_PASSWORD = '${REPLICATION_USER}', MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos; START SLAVE`,
  );
  await eventually('the replica is connected to its primary', 30_000, async () => {
    const { Slave_IO_Running: receives, Slave_SQL_Running: applies } = await replication(replica);
    return receives === 'Yes' && applies === 'Yes';
  });
}

async function applied(replica: DedicatedDatabaseServer, gtid: string): Promise<void> {
  const [waited] = await replica.rows<{ result: number }>(
    `SELECT MASTER_GTID_WAIT('${gtid}', ${CATCH_UP_SECONDS}) AS result`,
  );
  if (waited?.result !== 0)
    throw new Error(`the replica has not applied ${gtid}: ${JSON.stringify(await replication(replica))}`);
}

async function replication(server: DedicatedDatabaseServer): Promise<Record<string, unknown>> {
  return (await server.rows('SHOW SLAVE STATUS'))[0] ?? {};
}

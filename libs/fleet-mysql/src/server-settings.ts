import type { Database } from './database.js';

/** A warning for each server setting with which an acknowledged commit can be lost. */
export async function durabilityWarnings(database: Database): Promise<string[]> {
  const rows = await database.rows<{ name: string; value: string }>(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog', 'wsrep_on')`,
  );
  const value = new Map(rows.map((row) => Object.values(row) as [string, string]));
  const warnings: string[] = [];
  if (value.get('innodb_flush_log_at_trx_commit') !== '1') {
    warnings.push(
      `innodb_flush_log_at_trx_commit is ${value.get('innodb_flush_log_at_trx_commit')}: a crash of the database host can lose acknowledged changes; set it to 1`,
    );
  }
  if (value.get('innodb_doublewrite') === 'OFF') {
    warnings.push(
      'innodb_doublewrite is OFF: a crash while a page is written can lose acknowledged changes; set it to ON',
    );
  }
  if (value.get('log_bin') === 'ON' && value.get('sync_binlog') !== '1' && value.get('wsrep_on') !== 'ON') {
    warnings.push(
      `sync_binlog is ${value.get('sync_binlog')}: a crash can leave replicas without acknowledged changes; set it to 1`,
    );
  }
  return warnings;
}

/** Whether the server is a Galera node. The nodes of a cluster have separate clocks. */
export const isClusterNode = async (database: Database): Promise<boolean> =>
  (await database.rows(`SHOW VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'`)).length > 0;

/** The clock of the database server, and the server's name. Used only to measure the offset of the local clock. */
export async function readDatabaseClock(database: Database): Promise<{ readonly at: Date; readonly server: string }> {
  const [row] = await database.rows<{ at: Date; server: string }>(
    `SELECT UTC_TIMESTAMP(3) AS at, CONCAT(@@hostname, ':', @@port) AS server`,
  );
  if (!row) throw new Error('the database returned no time');
  return row;
}

/** Below this size, the statement of a single valid request may not fit into a packet. */
const MIN_PACKET_BYTES = 1_048_576;

/**
 * The largest statement that the server accepts, in bytes.
 * @throws Error that names the setting when that is too small.
 */
export async function readMaxPacketBytes(database: Database): Promise<number> {
  const [row] = await database.rows<{ bytes: number }>('SELECT @@max_allowed_packet AS bytes');
  const bytes = row?.bytes ?? 0;
  if (bytes < MIN_PACKET_BYTES)
    throw new Error(`max_allowed_packet is ${bytes} bytes: set it to ${MIN_PACKET_BYTES} or more (16 MiB is usual)`);
  return bytes;
}

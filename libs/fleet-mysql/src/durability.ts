import type { Database } from './database.js';

/** Settings of the server under which a commit that was acknowledged can be lost; empty when there are none. */
export async function durabilityWarnings(database: Database): Promise<string[]> {
  const rows = await database.rows<{ name: string; value: string }>(
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'innodb_doublewrite', 'log_bin', 'sync_binlog', 'wsrep_on')`,
  );
  const value = new Map(rows.map((row) => Object.values(row) as [string, string]));
  const warnings: string[] = [];
  if (value.get('innodb_flush_log_at_trx_commit') !== '1') {
    warnings.push(`innodb_flush_log_at_trx_commit is ${value.get('innodb_flush_log_at_trx_commit')}: a crash of the database's machine can lose acknowledged calls; set it to 1`);
  }
  if (value.get('innodb_doublewrite') === 'OFF') {
    warnings.push('innodb_doublewrite is OFF: a crash while a page is written can lose acknowledged calls; set it to ON');
  }
  if (value.get('log_bin') === 'ON' && value.get('sync_binlog') !== '1' && value.get('wsrep_on') !== 'ON') {
    warnings.push(`sync_binlog is ${value.get('sync_binlog')}: a crash can leave replicas without acknowledged calls; set it to 1`);
  }
  return warnings;
}

/** The database's own clock and the moment it was asked: only to measure the offset of ours. */
export async function readDatabaseClock(database: Database): Promise<Date> {
  const [row] = await database.rows<{ at: Date }>('SELECT UTC_TIMESTAMP(3) AS at');
  if (!row) throw new Error('the database told no time');
  return row.at;
}

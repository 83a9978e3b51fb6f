import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Names are found, sorted and kept apart by their keys; entries of one machine are found by its id. Rebuilds indexes online, and the table of names, which is narrow. */
export class CompareNamesByKey1795400000034 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await hasIndex(db, 'process_server', 'ix_machine_id'))) {
      await db.query(
        'ALTER TABLE process_server DROP KEY ix_name_key, ADD KEY ix_name_key (name_key, host_id), ADD KEY ix_machine_id (machine_id, host_id)',
      );
    }
    await db.query(
      'ALTER TABLE process_server_name_history MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL',
    );
    if (!(await hasIndex(db, 'api_key', 'uq_name_key')))
      await db.query('ALTER TABLE api_key DROP KEY ix_name_key, ADD UNIQUE KEY uq_name_key (name_key)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE process_server DROP KEY ix_machine_id, DROP KEY ix_name_key, ADD KEY ix_name_key (friendly_name, host_id)',
    );
    await db.query('ALTER TABLE process_server_name_history MODIFY name VARCHAR(255) NOT NULL');
    await db.query('ALTER TABLE api_key DROP KEY uq_name_key, ADD UNIQUE KEY ix_name_key (name)');
  }
}

async function hasIndex(db: QueryRunner, table: string, index: string): Promise<boolean> {
  const rows = (await db.query(
    'SELECT 1 FROM information_schema.STATISTICS AS s WHERE s.TABLE_SCHEMA = DATABASE() AND s.TABLE_NAME = ? AND s.INDEX_NAME = ?',
    [table, index],
  )) as unknown[];
  return rows.length > 0;
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

const BATCH = 1_000;

/** Whether an entry has never sent a heartbeat, in any of its generations; of existing entries only those of the first generation are known not to. The index is written at the registration and at the first heartbeat only. */
export class NoteFirstHeartbeats1795400000035 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server_lease', 'never_connected'))) {
      await db.query(
        'ALTER TABLE process_server_lease ADD COLUMN never_connected TINYINT UNSIGNED NOT NULL DEFAULT 0, ADD KEY ix_never_connected (never_connected, host_id)',
      );
    }
    for (let after: string | undefined = ''; after !== undefined;) {
      const rows = (await db.query(
        'SELECT l.host_id FROM process_server_lease AS l WHERE l.host_id > ? AND l.generation = 1 AND l.last_heartbeat_at IS NULL ORDER BY l.host_id LIMIT ?',
        [after, BATCH],
      )) as { host_id: string }[];
      if (rows.length > 0)
        await db.query(
          'UPDATE process_server_lease AS l SET l.never_connected = 1 WHERE l.host_id IN (?) AND l.generation = 1 AND l.last_heartbeat_at IS NULL',
          [rows.map(({ host_id }) => host_id)],
        );
      after = rows.at(-1)?.host_id;
    }
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server_lease DROP KEY ix_never_connected, DROP COLUMN never_connected');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How many events of each kind the heartbeats of a host caused in the present hour, as a JSON object. Added in place, without a copy of the table. */
export class BoundEventsOfHeartbeats1795400000025 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_lease', 'event_bounds')) return;
    await db.query(
      `ALTER TABLE process_server_lease ADD COLUMN event_bounds VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NULL`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server_lease DROP COLUMN event_bounds');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts those who are there already: once, whoever was killed in the middle. */
export class FillFleetTally1795400000018 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      INSERT INTO fleet_counter_delta (version_key, decommissioned, entries)
      SELECT p.version_key, p.decommissioned_at IS NOT NULL, COUNT(*)
        FROM process_server AS p
       WHERE NOT EXISTS (SELECT 1 FROM fleet_counter_delta)
       GROUP BY 1, 2`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DELETE FROM fleet_counter_delta');
  }
}

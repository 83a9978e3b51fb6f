import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Those who are not well are found without a look at all the others. `load_slot` is the five minutes that a load was reported
 * in: an index on the instant itself would have to be written with every load, this one every tenth time.
 */
export class FindHealthByIndex1795400000019 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_health', 'load_slot')) return;
    await db.query(`
      ALTER TABLE process_server_health
        ADD COLUMN load_slot INT UNSIGNED NULL AFTER load_reported_at,
        ADD KEY by_load (load_rank, load_slot, host_id),
        ADD KEY by_certificate (certificate_expires_at, host_id),
        ADD KEY by_services (services_down_at, host_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE process_server_health DROP KEY by_load, DROP KEY by_certificate, DROP KEY by_services, DROP COLUMN load_slot',
    );
  }
}

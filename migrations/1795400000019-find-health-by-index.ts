import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Those who are not well are found without a look at all the others. `load_report_bucket` is the five minutes that a load was reported
 * in: an index on the instant itself would have to be written with every load, this one every tenth time.
 */
export class FindHealthByIndex1795400000019 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_health', 'load_report_bucket')) return;
    await db.query(`
      ALTER TABLE process_server_health
        ADD COLUMN load_report_bucket INT UNSIGNED NULL AFTER load_reported_at,
        ADD KEY ix_load (load_severity, load_report_bucket, host_id),
        ADD KEY ix_certificate_expiry (certificate_expires_at, host_id),
        ADD KEY ix_services_down (services_down_at, host_id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE process_server_health DROP KEY ix_load, DROP KEY ix_certificate_expiry, DROP KEY ix_services_down, DROP COLUMN load_report_bucket',
    );
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When services and certificate were reported, and since when each signal of the load has been above its threshold. Adds columns at the end: no rows are rewritten. */
export class KeepWhenReportsCame1795400000029 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_health', 'services_reported_at')) return;
    await db.query(`
      ALTER TABLE process_server_health
        ADD COLUMN cpu_exceeded_at DATETIME(3) NULL,
        ADD COLUMN memory_exceeded_at DATETIME(3) NULL,
        ADD COLUMN cache_exceeded_at DATETIME(3) NULL,
        ADD COLUMN upload_exceeded_at DATETIME(3) NULL,
        ADD COLUMN services_reported_at DATETIME(3) NULL,
        ADD COLUMN certificate_reported_at DATETIME(3) NULL,
        ADD COLUMN certificate_known_at DATETIME(3) NULL`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE process_server_health
        DROP COLUMN cpu_exceeded_at, DROP COLUMN memory_exceeded_at, DROP COLUMN cache_exceeded_at, DROP COLUMN upload_exceeded_at,
        DROP COLUMN services_reported_at, DROP COLUMN certificate_reported_at, DROP COLUMN certificate_known_at`);
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** For loads that were reported before there were slots. */
export class FillLoadSlots1795400000020 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      UPDATE process_server_health
         SET load_report_bucket = TIMESTAMPDIFF(SECOND, '1970-01-01', load_reported_at) DIV 300
       WHERE load_reported_at IS NOT NULL AND load_report_bucket IS NULL`);
  }

  async down(): Promise<void> {
    // nothing to take back
  }
}

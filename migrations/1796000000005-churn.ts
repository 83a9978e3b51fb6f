import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The reported churn of the protected machines. */
export class Churn1796000000005 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server_health', 'churn_bytes_per_day')))
      await db.query('ALTER TABLE process_server_health ADD COLUMN churn_bytes_per_day BIGINT UNSIGNED NULL');
  }

  async down(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_health', 'churn_bytes_per_day'))
      await db.query('ALTER TABLE process_server_health DROP COLUMN churn_bytes_per_day');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How many entries there are of each version and lifecycle: the sum of the rows. Whoever registers, changes the version of,
 * decommissions or removes an entry adds a row with what that changes, in the same transaction, and so waits for nobody; now
 * and then the rows are added up.
 */
export class CreateFleetTally1795400000017 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS fleet_counter_delta (
        id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
        version_key CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        decommissioned TINYINT UNSIGNED NOT NULL,
        entries INT NOT NULL,
        PRIMARY KEY (id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE fleet_counter_delta');
  }
}

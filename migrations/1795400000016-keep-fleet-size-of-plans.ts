import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The share of the fleet that a plan covers is judged by the fleet of when it was planned; a plan of before this counts as a large one.
 * `purges` is written by each purge in the plan's name, so that on a cluster it and the plan's result are told apart by certification.
 */
export class KeepFleetSizeOfPlans1795400000016 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('purge_plan', 'fleet_size')) return;
    await db.query(`
      ALTER TABLE purge_plan
        ADD COLUMN fleet_size INT UNSIGNED NOT NULL DEFAULT 0 AFTER candidates,
        ADD COLUMN purges INT UNSIGNED NOT NULL DEFAULT 0 AFTER fleet_size`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE purge_plan DROP COLUMN fleet_size, DROP COLUMN purges');
  }
}

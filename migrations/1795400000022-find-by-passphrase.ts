import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who is still on an earlier passphrase, counted and listed without a look at the others. */
export class FindByPassphrase1795400000022 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if ((await db.query(`SHOW INDEX FROM process_server WHERE Key_name = 'ix_passphrase'`)).length > 0) return;
    await db.query('ALTER TABLE process_server ADD KEY ix_passphrase (passphrase_id, host_id)');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server DROP KEY ix_passphrase');
  }
}

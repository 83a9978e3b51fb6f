import type { MigrationInterface, QueryRunner } from 'typeorm';
import { nameKey } from '@app/fleet';

interface Keyed {
  readonly table: string;
  readonly id: string;
  /** What the key is of. */
  readonly name: string;
  readonly key: string;
}

const TABLES: readonly Keyed[] = [
  { table: 'process_server', id: 'host_id', name: 'friendly_name', key: 'name_key' },
  { table: 'api_key', id: 'id', name: 'name', key: 'name_key' },
  // Entries are sorted by these names, which are never shown: the key takes their place.
  { table: 'process_server_name_history', id: 'host_id', name: 'name', key: 'name' },
];
const BATCH = 1_000;

/** Sets the keys of existing names, in batches of one short transaction each. Repeated, it changes nothing more. */
export class FillNameKeys1795400000033 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const table of TABLES) await fill(db, table);
  }

  async down(): Promise<void> {
    // nothing to take back
  }
}

async function fill(db: QueryRunner, { table, id, name, key }: Keyed): Promise<void> {
  for (let after = ''; ;) {
    const ids = (await db.query(
      `SELECT DISTINCT t.${id} AS id FROM ${table} AS t WHERE t.${id} > ? ORDER BY t.${id} LIMIT ?`,
      [after, BATCH],
    )) as { id: string }[];
    const last = ids.at(-1);
    if (!last) return;
    const rows = (await db.query(
      `SELECT t.${id} AS id, t.${name} AS name, t.${key} AS name_key FROM ${table} AS t WHERE t.${id} > ? AND t.${id} <= ?`,
      [after, last.id],
    )) as { id: string; name: string; name_key: string | null }[];
    const changed = rows
      .map((row) => ({ ...row, new_key: nameKey(row.name) }))
      .filter((row) => row.name_key !== row.new_key);
    if (changed.length > 0) {
      await db.query(
        `UPDATE JSON_TABLE(CONVERT(? USING utf8mb4), '$[*]' COLUMNS (
                  id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.id',
                  name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.name',
                  new_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.new_key')) AS b
         STRAIGHT_JOIN ${table} AS t ON t.${id} = b.id
            SET t.${key} = b.new_key
          WHERE t.${name} COLLATE utf8mb4_bin = b.name`,
        [JSON.stringify(changed)],
      );
    }
    after = last.id;
  }
}

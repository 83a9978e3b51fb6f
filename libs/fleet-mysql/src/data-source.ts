import { DataSource, type MigrationInterface } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { ServerAddress } from './database-servers.js';
import { ENTITY_SCHEMAS } from './entities/entity-schemas.js';

export type MigrationClass = new () => MigrationInterface;

/** The TypeORM data source that runs migrations. Tests pass other migrations. */
export function fleetDataSource(
  { user, ...address }: ServerAddress,
  migrations: readonly MigrationClass[] = MIGRATIONS,
): DataSource {
  return new DataSource({
    type: 'mysql',
    ...address,
    username: user,
    timezone: 'Z',
    charset: 'utf8mb4_unicode_520_ci',
    poolSize: 2, // one connection migrates, one renews the lock
    connectTimeout: 3_000,
    synchronize: false,
    entities: ENTITY_SCHEMAS,
    migrations: [...migrations],
    migrationsTransactionMode: 'none',
  });
}

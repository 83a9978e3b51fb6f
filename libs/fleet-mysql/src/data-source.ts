import { DataSource, type MigrationInterface } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { ServerAddress } from './database-servers.js';

export type MigrationClass = new () => MigrationInterface;

/** Runs the migrations, of which a test gives its own. */
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
    poolSize: 2, // one migrates, one renews the claim
    connectTimeout: 3_000,
    synchronize: false,
    migrations: [...migrations],
    migrationsTransactionMode: 'none',
  });
}

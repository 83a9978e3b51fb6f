import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { ServerAddress } from './database-servers.js';

/** TypeORM's part: it runs the migrations, before anything else, and is closed then. */
export function fleetDataSource({ user, ...address }: ServerAddress): DataSource {
  return new DataSource({
    type: 'mysql',
    ...address,
    username: user,
    timezone: 'Z',
    charset: 'utf8mb4_unicode_520_ci',
    poolSize: 2, // one migrates, one renews the claim
    connectTimeout: 3_000,
    synchronize: false,
    migrations: MIGRATIONS,
    migrationsTransactionMode: 'none',
  });
}

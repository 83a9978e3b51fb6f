import { DataSource, EntitySchema } from 'typeorm';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { DatabaseAddress } from './database.js';

/** A passphrase, known by its hash only. */
export interface StoredPassphrase {
  id: string;
  /** SHA-256. */
  hash: Buffer;
  createdAt: Date;
  /** Null: valid until it is rotated. */
  retiresAt: Date | null;
}

export type Role = 'reader' | 'operator' | 'admin';

/** An API key, known by its hash only. */
export interface StoredApiKey {
  id: string;
  name: string;
  /** SHA-256. */
  hash: Buffer;
  role: Role;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export const passphraseSchema = new EntitySchema<StoredPassphrase>({
  name: 'passphrase',
  columns: {
    id: { type: 'char', length: 36, primary: true },
    hash: { type: 'binary', length: 32 },
    createdAt: { type: 'datetime', precision: 3, name: 'created_at' },
    retiresAt: { type: 'datetime', precision: 3, name: 'retires_at', nullable: true },
  },
});

export const apiKeySchema = new EntitySchema<StoredApiKey>({
  name: 'api_key',
  columns: {
    id: { type: 'char', length: 36, primary: true },
    name: { type: 'varchar', length: 100 },
    hash: { type: 'binary', length: 32 },
    role: { type: 'varchar', length: 16 },
    createdAt: { type: 'datetime', precision: 3, name: 'created_at' },
    expiresAt: { type: 'datetime', precision: 3, name: 'expires_at', nullable: true },
    revokedAt: { type: 'datetime', precision: 3, name: 'revoked_at', nullable: true },
  },
});

/** TypeORM's side of the database: the migrations, and the small tables that are read and written as whole objects. */
export function fleetDataSource({ user, ...address }: DatabaseAddress): DataSource {
  return new DataSource({
    type: 'mysql',
    ...address,
    username: user,
    timezone: 'Z',
    charset: 'utf8mb4_unicode_520_ci',
    poolSize: 2,
    connectTimeout: 3_000,
    synchronize: false,
    entities: [passphraseSchema, apiKeySchema],
    migrations: MIGRATIONS,
    migrationsTransactionMode: 'none',
  });
}

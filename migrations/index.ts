import { InitialSchema1796000000001 } from './1796000000001-initial-schema.js';

/** All migrations in order. Each is idempotent: DDL is not transactional, so an interrupted one runs again. A merged migration is never edited. */
export const MIGRATIONS = [InitialSchema1796000000001];

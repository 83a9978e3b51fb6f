import { InitialSchema1796000000001 } from './1796000000001-initial-schema.js';

/** Every schema change in order. Each is idempotent, since DDL is not transactional: one that was interrupted is run again. A migration is never edited after it landed. */
export const MIGRATIONS = [InitialSchema1796000000001];

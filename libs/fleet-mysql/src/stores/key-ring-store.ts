import {
  Batcher,
  fulfilled,
  keyNameOf,
  nameKey,
  type Actor,
  type ApiKey,
  type Clock,
  type FleetEvent,
  type KeyRingSnapshot,
  type Identifiers,
  type KeyDecision,
  type KeyRing,
  type KeyWrite,
  type Passphrase,
} from '@app/fleet';
import { DATABASE_BATCHES, OptimisticLockError, type Database, type Statement, type Transaction } from '../database.js';
import { PASSPHRASE } from '../entities/fleet-tables.js';
import { eventStatements } from '../statements/events.js';
import {
  COUNT_OTHER_ADMIN_KEYS,
  RECORD_KEY_USE,
  READ_KEY_BY_ID,
  READ_KEY_BY_NAME,
  FIND_VALID_KEY_BY_HASH,
  READ_KEYS,
  READ_PASSPHRASE_STATE,
  READ_PASSPHRASES,
  READ_VALID_KEY,
  READ_VALID_PASSPHRASES,
  EXPIRE_PASSPHRASES,
  REVOKE_KEY,
  LOCK_KEY_RING,
  insertKey,
  toApiKey,
  type KeyRow,
  type PassphraseRow,
} from '../statements/keys.js';

/** The API key of a caller. */
export type StoredApiKey = Pick<ApiKey, 'keyId' | 'name' | 'role'>;

/** Id and SHA-256 of a passphrase. */
export interface StoredPassphrase {
  readonly id: string;
  readonly hash: Buffer;
  readonly expires_at: Date | null;
}

/** Maximum number of key uses written in one transaction. */
const MAX_FLUSHED_USES = 1_000;

const toPassphrase = ({ id, created_at, expires_at }: PassphraseRow): Passphrase => ({
  passphraseId: id,
  createdAt: created_at,
  retiresAt: expires_at,
});

/** API keys and passphrases: lookups for authentication, and changes. */
export class KeyRingStore implements KeyRing {
  /** Concurrent registrations share one read. */
  private readonly passphraseBatch = new Batcher<void, readonly StoredPassphrase[]>({
    ...DATABASE_BATCHES,
    maxBatchSize: DATABASE_BATCHES.maxQueued,
    maxConcurrentBatches: 1,
    write: async ({ items }) => {
      const valid = await this.database.rows<StoredPassphrase>(READ_VALID_PASSPHRASES, [this.clock.now()]);
      return items.map(() => fulfilled(valid));
    },
  });
  private readonly uses = new Map<string, Date>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  change<A>(
    caller: Actor,
    about: { readonly name?: string; readonly keyId?: string },
    decide: (snapshot: KeyRingSnapshot) => KeyDecision<A>,
  ): Promise<A> {
    const eventId = this.identifiers.newId(this.clock.now());
    const work = async (transaction: Transaction, previousCommitMayBePending: boolean): Promise<A> => {
      const now = this.clock.now();
      await transaction.write(LOCK_KEY_RING, [Buffer.from(eventId), now]);
      // The previous attempt was committed after all: the retry finds its event and returns its result.
      if (
        previousCommitMayBePending &&
        (await transaction.rows('SELECT e.id FROM event AS e WHERE e.id = ?', [eventId])).length > 0
      )
        throw new OptimisticLockError();
      const { result, change } = decide(await this.snapshot(transaction, caller, about, now));
      if (change) {
        const event: FleetEvent = { ...change.event, id: eventId, at: now, hostId: null, generation: null };
        await transaction.executeAll([
          ...(change.write ? statementsOf(change.write) : []),
          ...eventStatements([event]),
        ]);
      }
      return result;
    };
    return this.database.transaction(work, { commitProofEventIds: [eventId] });
  }

  async apiKeys(limit: number, after: string | null): Promise<ApiKey[]> {
    return (await this.database.rows<KeyRow>(READ_KEYS, [after ?? '', limit])).map(toApiKey);
  }

  async passphrases(limit: number, after: string | null): Promise<Passphrase[]> {
    return (await this.database.rows<PassphraseRow>(READ_PASSPHRASES, [after ?? '', limit])).map(toPassphrase);
  }

  isValidPassphrase(hash: string): Promise<boolean> {
    const expectedHash = Buffer.from(hash, 'hex');
    return this.database.transaction(async (transaction) => {
      const now = this.clock.now();
      await transaction.write(LOCK_KEY_RING, [Buffer.from(this.identifiers.newId(now)), now]);
      return (await transaction.rows<StoredPassphrase>(READ_VALID_PASSPHRASES, [now])).some((valid) =>
        valid.hash.equals(expectedHash),
      );
    });
  }

  /** State of the passphrase with this SHA-256; `unknown` if this database has never had it. */
  async passphraseState(hash: Buffer): Promise<'valid' | 'retired' | 'unknown'> {
    const [row] = await this.database.rows<{ is_valid: number }>(READ_PASSPHRASE_STATE, [this.clock.now(), hash]);
    if (!row) return 'unknown';
    return row.is_valid === 1 ? 'valid' : 'retired';
  }

  /** Whether the key with this hash is valid. The check does not count as a use. */
  async isApiKeyValid(hash: Buffer): Promise<boolean> {
    return (await this.database.rows(FIND_VALID_KEY_BY_HASH, [hash, this.clock.now()])).length === 1;
  }

  /** The passphrases that are valid at present. */
  validPassphrases(): Promise<readonly StoredPassphrase[]> {
    return this.passphraseBatch.submit();
  }

  /** The key with this hash, unless it is revoked or expired. */
  async findValidApiKey(hash: Buffer): Promise<StoredApiKey | null> {
    const now = this.clock.now();
    const [key] = await this.database.rows<Pick<KeyRow, 'id' | 'name' | 'role'>>(FIND_VALID_KEY_BY_HASH, [hash, now]);
    if (!key) return null;
    this.uses.set(key.id, now);
    return { keyId: key.id, name: key.name, role: key.role };
  }

  /** Writes when keys were used last. Called periodically, because a write for each use would slow down every call. */
  async flushKeyUsage(): Promise<void> {
    const uses = [...this.uses].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_FLUSHED_USES);
    if (uses.length === 0) return;
    await this.database.transaction((transaction) =>
      transaction.executeAll(uses.map(([keyId, at]) => ({ sql: RECORD_KEY_USE, parameters: [at, at, keyId] }))),
    );
    for (const [keyId, at] of uses) if (this.uses.get(keyId) === at) this.uses.delete(keyId);
  }

  private async snapshot(
    transaction: Transaction,
    caller: Actor,
    { name, keyId }: { readonly name?: string; readonly keyId?: string },
    now: Date,
  ): Promise<KeyRingSnapshot> {
    const about =
      keyId === undefined
        ? { sql: READ_KEY_BY_NAME, value: name && nameKey(name) }
        : { sql: READ_KEY_BY_ID, value: keyId };
    const [key] = about.value === undefined ? [] : await transaction.rows<KeyRow>(about.sql, [about.value]);
    const [count] = await transaction.rows<{ others: number }>(COUNT_OTHER_ADMIN_KEYS, [
      key?.id ?? '',
      now,
      key?.expires_at ?? null,
    ]);
    const passphrases = await transaction.rows<PassphraseRow>(READ_VALID_PASSPHRASES, [now]);
    const valid = await transaction.rows(READ_VALID_KEY, [nameKey(keyNameOf(caller)), now]);
    return {
      now,
      isCallerKeyValid: valid.length === 1,
      apiKey: key ? toApiKey(key) : null,
      otherAdminKeys: count?.others ?? 0,
      passphrases: passphrases.map(toPassphrase),
    };
  }
}

function statementsOf(write: KeyWrite): Statement[] {
  switch (write.to) {
    case 'api_key_created':
      return [insertKey(write.apiKey, Buffer.from(write.hash, 'hex'))];
    case 'api_key_revoked':
      return [{ sql: REVOKE_KEY, parameters: [write.at, write.keyId] }];
    case 'passphrase_rotated': {
      const { passphraseId, createdAt } = write.passphrase;
      return [
        { sql: EXPIRE_PASSPHRASES, parameters: [write.earlierRetireAt, write.earlierRetireAt] },
        PASSPHRASE.insert([{ id: passphraseId, hash: Buffer.from(write.hash, 'hex'), created_at: createdAt }]),
      ];
    }
  }
}

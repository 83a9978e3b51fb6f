import {
  keyNameOf,
  nameKey,
  type Actor,
  type ApiKey,
  type Clock,
  type FleetEvent,
  type HeldKeys,
  type Identifiers,
  type KeyDecision,
  type KeyRing,
  type KeyWrite,
  type Passphrase,
  type Role,
} from '@app/fleet';
import { RecordChanged, type Database, type Statement, type Transaction } from './database.js';
import { LONGEST_WAITING_LINE } from './primary-pool.js';
import { Lately } from './lately.js';
import { eventStatements } from './statements/events.js';
import {
  COUNT_OTHER_ADMIN_KEYS,
  INSERT_KEY,
  INSERT_PASSPHRASE,
  NOTE_USE,
  READ_KEY_BY_ID,
  READ_KEY_BY_NAME,
  READ_KEY_OF_CALLER,
  READ_KEYS,
  READ_PASSPHRASE_STATE,
  READ_PASSPHRASES,
  READ_VALID_KEY,
  READ_VALID_PASSPHRASES,
  RETIRE_PASSPHRASES,
  REVOKE_KEY,
  TAKE_RING,
} from './statements/keys.js';
import { fulfilled, Together } from './together.js';

interface KeyRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly prefix: string;
  readonly created_at: Date;
  readonly created_by: string;
  readonly expires_at: Date | null;
  readonly revoked_at: Date | null;
  readonly last_used_at: Date | null;
}

interface PassphraseRow {
  readonly id: string;
  readonly created_at: Date;
  readonly retires_at: Date | null;
}

/** A caller's key. */
export type StoredApiKey = Pick<ApiKey, 'keyId' | 'name' | 'role'>;

/** A passphrase, known by its SHA-256 only. */
export interface StoredPassphrase {
  readonly id: string;
  readonly hash: Buffer;
}

/** In one transaction. */
const MOST_USES_NOTED = 1_000;
/** Between two pages that somebody reads; a key that was revoked meanwhile begins reads for so long at most, and is answered none. */
const LATELY_MS = 10_000;

const keyOf = (row: KeyRow): ApiKey => ({
  keyId: row.id,
  name: row.name,
  role: row.role,
  prefix: row.prefix,
  createdAt: row.created_at,
  createdBy: row.created_by,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
  lastUsedAt: row.last_used_at,
});

const passphraseOf = ({ id, created_at, retires_at }: PassphraseRow): Passphrase => ({
  passphraseId: id,
  createdAt: created_at,
  retiresAt: retires_at,
});

/** API keys and passphrases: what callers are recognised by, and how that changes. */
export class KeyRingStore implements KeyRing {
  /** One read for all who register at the same moment. */
  private readonly passphraseReads = new Together<void, readonly StoredPassphrase[]>(
    async (askers) => {
      const valid = await this.database.rows<StoredPassphrase>(READ_VALID_PASSPHRASES, [this.clock.now()]);
      return askers.map(() => fulfilled(valid));
    },
    { most: LONGEST_WAITING_LINE, groups: 1 },
  );
  private readonly uses = new Map<string, Date>();
  /** Ids of keys that were valid, by hash. */
  private readonly validBefore: Lately<string>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {
    this.validBefore = new Lately(clock, LATELY_MS);
  }

  change<A>(
    caller: Actor,
    about: { readonly name?: string; readonly keyId?: string },
    decide: (held: HeldKeys) => KeyDecision<A>,
  ): Promise<A> {
    const eventId = this.identifiers.at(this.clock.now());
    const work = async (transaction: Transaction, mayBeUnderWay: boolean): Promise<A> => {
      const now = this.clock.now();
      await transaction.write(TAKE_RING, [Buffer.from(eventId), now]);
      // The attempt before this one was committed after all: the next look finds its event, and answers with it.
      if (mayBeUnderWay && (await transaction.rows('SELECT e.id FROM event AS e WHERE e.id = ?', [eventId])).length > 0)
        throw new RecordChanged();
      const { answer, change } = decide(await this.held(transaction, caller, about, now));
      if (change) {
        const event: FleetEvent = { ...change.event, id: eventId, at: now, hostId: null, generation: null };
        await transaction.writeEach([...(change.write ? statementsOf(change.write) : []), ...eventStatements([event])]);
      }
      return answer;
    };
    return this.database.transaction(work, { provedByEvents: [eventId] });
  }

  async apiKeys(limit: number, after: string | null): Promise<ApiKey[]> {
    return (await this.database.rows<KeyRow>(READ_KEYS, [after ?? '', limit])).map(keyOf);
  }

  async passphrases(limit: number, after: string | null): Promise<Passphrase[]> {
    return (await this.database.rows<PassphraseRow>(READ_PASSPHRASES, [after ?? '', limit])).map(passphraseOf);
  }

  knowsPassphrase(hash: string): Promise<boolean> {
    const wanted = Buffer.from(hash, 'hex');
    return this.database.transaction(async (transaction) => {
      const now = this.clock.now();
      await transaction.write(TAKE_RING, [Buffer.from(this.identifiers.at(now)), now]);
      return (await transaction.rows<StoredPassphrase>(READ_VALID_PASSPHRASES, [now])).some((valid) =>
        valid.hash.equals(wanted),
      );
    });
  }

  /** Whether a passphrase with this SHA-256 is valid; `unknown` when it never was in this database. */
  async passphraseState(hash: Buffer): Promise<'valid' | 'retired' | 'unknown'> {
    const [row] = await this.database.rows<{ is_valid: number }>(READ_PASSPHRASE_STATE, [this.clock.now(), hash]);
    if (!row) return 'unknown';
    return row.is_valid === 1 ? 'valid' : 'retired';
  }

  /** Whether the key with this hash is valid; it is not used by the question. */
  async isApiKeyValid(hash: Buffer): Promise<boolean> {
    return (await this.database.rows(READ_KEY_OF_CALLER, [hash, this.clock.now()])).length === 1;
  }

  /** Those that let somebody in now. */
  validPassphrases(): Promise<readonly StoredPassphrase[]> {
    return this.passphraseReads.ask();
  }

  /** The key with this hash that is neither revoked nor expired. */
  async apiKeyOf(hash: Buffer): Promise<StoredApiKey | null> {
    const now = this.clock.now();
    const [key] = await this.database.rows<Pick<KeyRow, 'id' | 'name' | 'role'>>(READ_KEY_OF_CALLER, [hash, now]);
    if (!key) {
      this.validBefore.forget(hash.toString('hex'));
      return null;
    }
    this.validBefore.set(hash.toString('hex'), key.id);
    this.uses.set(key.id, now);
    return { keyId: key.id, name: key.name, role: key.role };
  }

  /** The id of the key with this hash, if it was valid when this replica looked last, in the last ten seconds. It may be so no longer. */
  validLately(hash: Buffer): string | null {
    return this.validBefore.get(hash.toString('hex')) ?? null;
  }

  /** Writes when keys were used last. Called now and then: a write for each call would cost more than it tells. */
  async noteUses(): Promise<void> {
    const uses = [...this.uses].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MOST_USES_NOTED);
    if (uses.length === 0) return;
    await this.database.transaction((transaction) =>
      transaction.writeEach(uses.map(([keyId, at]) => ({ sql: NOTE_USE, parameters: [at, at, keyId] }))),
    );
    for (const [keyId, at] of uses) if (this.uses.get(keyId) === at) this.uses.delete(keyId);
  }

  private async held(
    transaction: Transaction,
    caller: Actor,
    { name, keyId }: { readonly name?: string; readonly keyId?: string },
    now: Date,
  ): Promise<HeldKeys> {
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
      isCallerIn: valid.length === 1,
      apiKey: key ? keyOf(key) : null,
      otherAdminKeys: count?.others ?? 0,
      passphrases: passphrases.map(passphraseOf),
    };
  }
}

function statementsOf(write: KeyWrite): Statement[] {
  switch (write.to) {
    case 'api_key_created': {
      const { keyId, name, role, prefix, createdAt, createdBy, expiresAt } = write.apiKey;
      return [
        {
          sql: INSERT_KEY,
          parameters: [
            keyId,
            name,
            nameKey(name),
            Buffer.from(write.hash, 'hex'),
            role,
            prefix,
            createdAt,
            createdBy,
            expiresAt,
          ],
        },
      ];
    }
    case 'api_key_revoked':
      return [{ sql: REVOKE_KEY, parameters: [write.at, write.keyId] }];
    case 'passphrase_rotated': {
      const { passphraseId, createdAt } = write.passphrase;
      return [
        { sql: RETIRE_PASSPHRASES, parameters: [write.earlierRetireAt, write.earlierRetireAt] },
        { sql: INSERT_PASSPHRASE, parameters: [passphraseId, Buffer.from(write.hash, 'hex'), createdAt] },
      ];
    }
  }
}

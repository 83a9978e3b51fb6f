import type { Clock, FleetEvent, Identifiers } from '@app/fleet';
import { LONGEST_WAITING_LINE, type Database } from './database.js';
import { insertEvents } from './statements/events.js';
import { fulfilled, Together } from './together.js';

/** Keys that all replicas share. */
export type SharedKey = 'credential_hmac' | 'cursor_hmac';

const READ_SECRET = 'SELECT s.value FROM secret AS s WHERE s.name = ?';
const OFFER_SECRET = 'INSERT IGNORE INTO secret (name, value, created_at) VALUES (?, ?, ?)';
/** Names the row that only the first replica can insert. */
const FIRST_SECRETS = 'first_secrets';
const INSERT_PASSPHRASE = 'INSERT INTO passphrase (id, hash, created_at) VALUES (?, ?, ?)';
const INSERT_API_KEY = 'INSERT INTO api_key (id, name, hash, role, created_at) VALUES (?, ?, ?, ?, ?)';

/** Param: now. */
const READ_PASSPHRASES = 'SELECT s.id, s.hash FROM passphrase AS s WHERE s.retires_at IS NULL OR s.retires_at > ?';
/** Params: hash, now. */
const READ_API_KEY = `
  SELECT k.id, k.name, k.role
    FROM api_key AS k
   WHERE k.hash = ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)`;

export type Role = 'reader' | 'operator' | 'admin';

/** A passphrase, known by its SHA-256 only. */
export interface StoredPassphrase {
  readonly id: string;
  readonly hash: Buffer;
}

export interface StoredApiKey {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
}

/** Hashes of what lets callers in, and the keys that sign. */
export class SecretStore {
  /** One read for all who register at the same moment. */
  private readonly passphraseReads = new Together<void, readonly StoredPassphrase[]>(async (askers) => {
    const valid = await this.database.rows<StoredPassphrase>(READ_PASSPHRASES, [this.clock.now()]);
    return askers.map(() => fulfilled(valid));
  }, { most: LONGEST_WAITING_LINE, groups: 1 });

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** The key by this name: the one offered, unless a replica was first. */
  async sharedKey(name: SharedKey, offered: Buffer): Promise<Buffer> {
    await this.database.transaction((transaction) => transaction.write(OFFER_SECRET, [name, offered, this.clock.now()]));
    const [row] = await this.database.rows<{ value: Buffer }>(READ_SECRET, [name]);
    if (!row) throw new Error(`the shared key ${name} could not be kept`);
    return row.value;
  }

  /** Whether this database has had its first secrets, from whichever replica. */
  async haveFirstSecrets(): Promise<boolean> {
    return (await this.database.rows(READ_SECRET, [FIRST_SECRETS])).length === 1;
  }

  /**
   * Makes the first passphrase and the first admin key of a new database. True for the one replica whose values were
   * taken: it, and nobody else, tells them to its operator.
   */
  async firstSecrets(passphraseHash: Buffer, adminKeyHash: Buffer): Promise<boolean> {
    const createdAt = this.clock.now();
    const [passphraseId, keyId, passphraseEvent, keyEvent] = Array.from({ length: 4 }, () => this.identifiers.at(createdAt));
    const event = (id: string | undefined, kind: FleetEvent['kind'], detail: object): FleetEvent => ({
      id: id ?? '',
      at: createdAt,
      kind,
      hostId: null,
      generation: null,
      actor: 'configuration-server',
      detail: { ...detail },
    });
    return this.database.transaction(
      async (transaction) => {
        if ((await transaction.write(OFFER_SECRET, [FIRST_SECRETS, passphraseHash, createdAt])) === 0) return false;
        await transaction.write(INSERT_PASSPHRASE, [passphraseId, passphraseHash, createdAt]);
        await transaction.write(INSERT_API_KEY, [keyId, 'admin', adminKeyHash, 'admin' satisfies Role, createdAt]);
        await insertEvents(transaction, [
          event(passphraseEvent, 'passphrase_created', { passphraseId }),
          event(keyEvent, 'api_key_created', { keyId, name: 'admin', role: 'admin' }),
        ]);
        return true;
      },
      passphraseEvent ? { provedByEvents: [passphraseEvent] } : {},
    );
  }

  /** Those that are valid now. */
  passphrases(): Promise<readonly StoredPassphrase[]> {
    return this.passphraseReads.ask();
  }

  /** The key with this hash that is neither revoked nor expired. */
  async apiKey(hash: Buffer): Promise<StoredApiKey | null> {
    const [key] = await this.database.rows<StoredApiKey>(READ_API_KEY, [hash, this.clock.now()]);
    return key ?? null;
  }
}

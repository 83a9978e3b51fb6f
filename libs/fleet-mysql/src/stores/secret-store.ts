import type { Clock, Identifiers, Role } from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { insertEvents, systemEvent } from '../statements/events.js';
import { insertKey } from '../statements/keys.js';
import { PASSPHRASE } from '../entities/fleet-tables.js';

/** Keys that all replicas share. */
export type SharedKey = 'credential_hmac' | 'enrolment_hmac';

const READ_SECRET = 'SELECT s.value FROM shared_secret AS s WHERE s.name = ?';
const INSERT_SECRET_IF_ABSENT = 'INSERT IGNORE INTO shared_secret (name, value, created_at) VALUES (?, ?, ?)';
/** Name of the row that marks the initial secrets as created; only one replica can insert it. */
const INITIAL_SECRETS = 'first_secrets';
const ACTOR = 'configuration-server';

/** SHA-256 and first characters of an admin key. */
export interface AdminKey {
  readonly hash: Buffer;
  readonly prefix: string;
}

/** Shared signing keys, and the initial secrets of a new database. */
export class SecretStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** Returns the stored key. If there is none, the candidate is stored. */
  async getOrCreateSharedKey(name: SharedKey, candidate: Buffer): Promise<Buffer> {
    await this.database.transaction((transaction) =>
      transaction.write(INSERT_SECRET_IF_ABSENT, [name, candidate, this.clock.now()]),
    );
    const [row] = await this.database.rows<{ value: Buffer }>(READ_SECRET, [name]);
    if (!row) throw new Error(`the shared key ${name} could not be stored`);
    return row.value;
  }

  /** Whether a replica has created the initial secrets of this database. */
  async hasInitialSecrets(): Promise<boolean> {
    return (await this.database.rows(READ_SECRET, [INITIAL_SECRETS])).length === 1;
  }

  /**
   * Creates the first passphrase and the first admin key of a new database. True for the one replica whose values were stored:
   * only this replica shows them to its operator.
   */
  async createInitialSecrets(passphraseHash: Buffer, adminKey: AdminKey): Promise<boolean> {
    const createdAt = this.clock.now();
    const [passphraseId = '', keyId = '', passphraseEvent = '', keyEvent = ''] = Array.from({ length: 4 }, () =>
      this.identifiers.newId(createdAt),
    );
    return this.database.transaction(
      async (transaction) => {
        if ((await transaction.write(INSERT_SECRET_IF_ABSENT, [INITIAL_SECRETS, passphraseHash, createdAt])) === 0)
          return false;
        await transaction.executeAll([
          PASSPHRASE.insert([{ id: passphraseId, hash: passphraseHash, created_at: createdAt }]),
        ]);
        const event = { id: passphraseEvent, at: createdAt, detail: { passphraseId } };
        await insertEvents(transaction, [systemEvent(ACTOR, { ...event, kind: 'passphrase_created' })]);
        await insertAdminKey(transaction, { keyId, eventId: keyEvent, name: 'admin', createdAt, ...adminKey });
        return true;
      },
      { commitProofEventIds: [passphraseEvent] },
    );
  }

  /** Adds an admin key, for an operator who has lost the others and may start a server on this database. */
  addAdminKey(key: AdminKey): Promise<void> {
    const createdAt = this.clock.now();
    const [keyId, eventId] = [this.identifiers.newId(createdAt), this.identifiers.newId(createdAt)];
    const name = `admin ${createdAt.toISOString()}`;
    return this.database.transaction(
      (transaction) => insertAdminKey(transaction, { keyId, eventId, name, createdAt, ...key }),
      { commitProofEventIds: [eventId] },
    );
  }
}

export interface NewAdminKey extends AdminKey {
  readonly keyId: string;
  readonly eventId: string;
  readonly name: string;
  readonly createdAt: Date;
}

/** Inserts an admin key and its event. */
export async function insertAdminKey(
  transaction: Transaction,
  { keyId, eventId, name, hash, prefix, createdAt }: NewAdminKey,
): Promise<void> {
  const role: Role = 'admin';
  const key = { keyId, name, role, prefix, createdAt, createdBy: ACTOR, expiresAt: null };
  await transaction.executeAll([insertKey(key, hash)]);
  const event = { id: eventId, at: createdAt, detail: { keyId, name, role, prefix } };
  await insertEvents(transaction, [systemEvent(ACTOR, { ...event, kind: 'api_key_created' })]);
}

import { floorAfterRestore, type Clock, type Identifiers, type SiteEpoch } from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { MAX_UUID } from '../entities/columns.js';
import type { RowOf } from '../entities/table.js';
import { insertAdminKey, type AdminKey } from './secret-store.js';
import { REVOKE_ALL_ENROLMENTS } from '../statements/enrolments.js';
import { insertEvents, systemEvent } from '../statements/events.js';
import { EXPIRE_PASSPHRASES, LOCK_KEY_RING } from '../statements/keys.js';
import {
  BEGIN_EPOCH,
  EXPIRE_PLANS,
  FINISH_EPOCH,
  LOCK_SITE,
  MAKE_PASSPHRASE_VALID,
  INSERT_SITE_IF_ABSENT,
  READ_END_OF_LEASES,
  READ_HIGHEST_GENERATION,
  READ_SITE,
  REVOKE_ALL_KEYS,
  REVOKE_LEASES,
  SITE_RECORD,
} from '../statements/site.js';

/** Leases revoked in one transaction. */
const REVOKE_BATCH_SIZE = 1_000;
/** The highest generation is found by a read of up to a million rows. */
const BEGIN_TIMEOUT_MS = 120_000;
const ACTOR = 'configuration-server';

/** The site row of this database. */
export interface SiteRecord extends SiteEpoch {
  /** Null before the first restore. */
  readonly restoredAt: Date | null;
  /** A restore has begun and must be finished before the server accepts requests. */
  readonly isUnfinished: boolean;
}

/** The secrets that are valid after a restore, and what is known from before it. */
export interface RestoreCommand {
  /** The epoch that the restore ends. Of two concurrent restores, the second finds another epoch and does nothing. */
  readonly epochId: string;
  readonly passphraseHash: Buffer;
  readonly adminKey: AdminKey;
  /** The highest generation and epoch that data directories know. */
  readonly knownGeneration: number;
  readonly knownEpoch: number;
  /** Random number from 0 up to 1. */
  readonly fraction: number;
  /** Names of the replica and of its system user, for the event. */
  readonly replica: string;
  readonly systemUser: string;
}

const toSiteRecord = (row: RowOf<typeof SITE_RECORD>): SiteRecord =>
  SITE_RECORD.omit('unfinished').toDomain(row, { isUnfinished: row.unfinished === 1 });

/** Site and epoch of a database, and the transition of a restored database to the next epoch. */
export class RestoreStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** Null before the first server has created the row. */
  async find(): Promise<SiteRecord | null> {
    const [row] = await this.database.rows<RowOf<typeof SITE_RECORD>>(READ_SITE);
    return row ? toSiteRecord(row) : null;
  }

  /** The site of this database; created with this id if there is none. */
  async findOrCreate(siteId: string): Promise<SiteRecord> {
    const known = await this.find();
    if (known) return known;
    await this.database.transaction((transaction) => transaction.write(INSERT_SITE_IF_ABSENT, [siteId, siteId]));
    const created = await this.find();
    if (!created) throw new Error('the site row could not be stored');
    return created;
  }

  /**
   * Begins the next epoch in one transaction: one valid passphrase, one valid API key, no valid enrolment, a generation floor above every known
   * generation, no open purge plan, and the event. False when another replica has begun it. @throws FleetError `generations_exhausted`
   */
  begin(command: RestoreCommand): Promise<boolean> {
    const now = this.clock.now();
    const [eventId, epochId, passphraseId, keyId, keyEventId] = [0, 1, 2, 3, 4].map(() =>
      this.identifiers.newId(now),
    ) as [string, string, string, string, string];
    const work = async (transaction: Transaction): Promise<boolean> => {
      await transaction.write(LOCK_KEY_RING, [Buffer.from(eventId), now]);
      const [row] = await transaction.rows<RowOf<typeof SITE_RECORD>>(LOCK_SITE);
      if (!row || row.epoch_id !== command.epochId) return false;
      const [{ highest } = { highest: null }] = await transaction.rows<{ highest: number | null }>(
        READ_HIGHEST_GENERATION,
      );
      const floor = floorAfterRestore(
        Math.max(highest ?? 0, row.generation_floor, command.knownGeneration),
        command.fraction,
      );
      const epoch = Math.max(row.epoch, command.knownEpoch) + 1;
      const keysRevoked = await transaction.write(REVOKE_ALL_KEYS, [now]);
      const enrolmentsRevoked = await transaction.write(REVOKE_ALL_ENROLMENTS, [now, ACTOR]);
      await transaction.write(EXPIRE_PASSPHRASES, [now, now]);
      await transaction.write(MAKE_PASSPHRASE_VALID, [passphraseId, command.passphraseHash, now]);
      await insertAdminKey(transaction, {
        keyId,
        eventId: keyEventId,
        name: `admin ${now.toISOString()}`,
        createdAt: now,
        ...command.adminKey,
      });
      await transaction.write(EXPIRE_PLANS, [now, now]);
      await transaction.write(BEGIN_EPOCH, [epoch, epochId, floor, now]);
      const { replica, systemUser } = command;
      const detail = { epoch, generationFloor: floor, keysRevoked, enrolmentsRevoked, replica, systemUser };
      await insertEvents(transaction, [
        systemEvent(ACTOR, { id: eventId, at: now, kind: 'database_restored', detail }),
      ]);
      return true;
    };
    return this.database.transaction(work, {
      commitProofEventIds: [eventId],
      deadline: performance.now() + BEGIN_TIMEOUT_MS,
    });
  }

  /** Revokes the credentials of all registrations from before the restore. Idempotent: a repetition continues an interrupted one. */
  async revokeLeases({ generationFloor }: SiteEpoch): Promise<void> {
    for (let after = ''; after !== MAX_UUID;) {
      const [end] = await this.database.rows<{ host_id: string }>(READ_END_OF_LEASES, [after, REVOKE_BATCH_SIZE - 1]);
      const upTo = end?.host_id ?? MAX_UUID;
      const from = after;
      await this.database.transaction((transaction) => transaction.write(REVOKE_LEASES, [from, upTo, generationFloor]));
      after = upTo;
    }
  }

  /** Marks the restore as finished. */
  async finish({ epochId }: SiteEpoch): Promise<void> {
    await this.database.transaction((transaction) => transaction.write(FINISH_EPOCH, [epochId]));
  }
}

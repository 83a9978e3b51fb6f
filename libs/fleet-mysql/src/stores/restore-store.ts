import {
  floorAfterRestore,
  systemAuthor,
  type Clock,
  type FleetEvent,
  type Identifiers,
  type SiteEpoch,
} from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { insertAdminKey, type AdminKey } from './secret-store.js';
import { insertEvents } from '../statements/events.js';
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
} from '../statements/site.js';

const MAX_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Leases revoked in one transaction. */
const REVOKE_BATCH_SIZE = 1_000;
/** A million rows are read for the highest generation. */
const BEGIN_TIMEOUT_MS = 120_000;
const ACTOR = 'configuration-server';

/** The site as this database has it. */
export interface SiteRecord extends SiteEpoch {
  /** Null before the first restore. */
  readonly restoredAt: Date | null;
  /** A restore was begun and has to be finished before anything is served. */
  readonly isUnfinished: boolean;
}

/** What is valid after a restore, and what is known of before it. */
export interface RestoreCommand {
  /** The epoch that is left; of two restores that begin at once, one finds another. */
  readonly epochId: string;
  readonly passphraseHash: Buffer;
  readonly adminKey: AdminKey;
  /** The highest generation and epoch that are known outside of the database. */
  readonly knownGeneration: number;
  readonly knownEpoch: number;
  /** From 0 up to 1. */
  readonly fraction: number;
  /** Who runs it, for the event. */
  readonly replica: string;
  readonly systemUser: string;
}

interface SiteRow {
  readonly site_id: string;
  readonly epoch: number;
  readonly epoch_id: string;
  readonly generation_floor: number;
  readonly restored_at: Date | null;
  readonly unfinished: number;
}

const toSiteRecord = ({
  site_id,
  epoch,
  epoch_id,
  generation_floor,
  restored_at,
  unfinished,
}: SiteRow): SiteRecord => ({
  siteId: site_id,
  epoch,
  epochId: epoch_id,
  generationFloor: generation_floor,
  restoredAt: restored_at,
  isUnfinished: unfinished === 1,
});

/** Which site and epoch a database is in, and how a restored one begins the next. */
export class RestoreStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** Null where no server has kept one yet. */
  async find(): Promise<SiteRecord | null> {
    const [row] = await this.database.rows<SiteRow>(READ_SITE);
    return row ? toSiteRecord(row) : null;
  }

  /** The site of this database; of one without, that of the id. */
  async findOrCreate(siteId: string): Promise<SiteRecord> {
    const known = await this.find();
    if (known) return known;
    await this.database.transaction((transaction) => transaction.write(INSERT_SITE_IF_ABSENT, [siteId, siteId]));
    const created = await this.find();
    if (!created) throw new Error('the row of the site could not be kept');
    return created;
  }

  /**
   * Begins the next epoch in one transaction: one passphrase, one API key, a generation floor above all that is known, no open
   * purge plan, and the event. False when another replica has begun it. @throws FleetError `generations_exhausted`.
   */
  begin(command: RestoreCommand): Promise<boolean> {
    const now = this.clock.now();
    const [eventId, epochId, passphraseId, keyId, keyEventId] = [0, 1, 2, 3, 4].map(() =>
      this.identifiers.newId(now),
    ) as [string, string, string, string, string];
    const work = async (transaction: Transaction): Promise<boolean> => {
      await transaction.write(LOCK_KEY_RING, [Buffer.from(eventId), now]);
      const [row] = await transaction.rows<SiteRow>(LOCK_SITE);
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
      const detail = {
        epoch,
        generationFloor: floor,
        keysRevoked,
        replica: command.replica,
        systemUser: command.systemUser,
      };
      const event: FleetEvent = {
        id: eventId,
        at: now,
        kind: 'database_restored',
        hostId: null,
        generation: null,
        ...systemAuthor(ACTOR),
        detail,
      };
      await insertEvents(transaction, [event]);
      return true;
    };
    return this.database.transaction(work, {
      commitProofEventIds: [eventId],
      deadline: performance.now() + BEGIN_TIMEOUT_MS,
    });
  }

  /** Revokes the credential of every registration from before the restore. Repeated, it revokes what is left. */
  async revokeLeases({ generationFloor }: SiteEpoch): Promise<void> {
    for (let after = ''; after !== MAX_UUID;) {
      const [end] = await this.database.rows<{ host_id: string }>(READ_END_OF_LEASES, [after, REVOKE_BATCH_SIZE - 1]);
      const upTo = end?.host_id ?? MAX_UUID;
      const from = after;
      await this.database.transaction((transaction) => transaction.write(REVOKE_LEASES, [from, upTo, generationFloor]));
      after = upTo;
    }
  }

  /** Nothing is left to do before the restored database is served. */
  async finish({ epochId }: SiteEpoch): Promise<void> {
    await this.database.transaction((transaction) => transaction.write(FINISH_EPOCH, [epochId]));
  }
}

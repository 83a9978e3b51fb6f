import {
  compareReleases,
  type Clock,
  type FleetEvent,
  type Identifiers,
  type Release,
  type ReleaseDecision,
  type ReleaseKey,
  type Releases,
  type ReleaseSnapshot,
  type Version,
  VersionRules,
  type VersionRuleSource,
} from '@app/fleet';
import { OptimisticLockError, type Database, type Transaction } from '../database.js';
import { eventStatements } from '../statements/events.js';
import {
  deleteRelease,
  insertRelease,
  READ_CATALOGUE,
  READ_CATALOGUE_REVISION,
  toRelease,
  WRITE_CATALOGUE_REVISION,
  type CatalogueRow,
} from '../statements/releases.js';

/** Thrown to roll back the transaction of a decision that changes nothing. */
class NothingToChange<A> extends Error {
  constructor(readonly result: A) {
    super('nothing to change');
  }
}

interface StoredCatalogue {
  readonly revision: string;
  readonly releases: readonly Release[];
}

/** The release catalogue: changes, and a copy in memory that is read again when its revision differs. */
export class ReleaseStore implements Releases, VersionRuleSource {
  private revision: string | null = null;
  private rules: VersionRules;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly version: Version,
  ) {
    this.rules = new VersionRules(version, []);
  }

  async change<A>(key: ReleaseKey, decide: (snapshot: ReleaseSnapshot) => ReleaseDecision<A>): Promise<A> {
    const eventId = this.identifiers.newId(this.clock.now());
    const work = async (transaction: Transaction, previousCommitMayBePending: boolean): Promise<A> => {
      const now = this.clock.now();
      await transaction.write(WRITE_CATALOGUE_REVISION, [eventId]);
      // The previous attempt was committed after all: the retry finds its event and returns its result.
      if (
        previousCommitMayBePending &&
        (await transaction.rows('SELECT e.id FROM event AS e WHERE e.id = ?', [eventId])).length > 0
      )
        throw new OptimisticLockError();
      const { releases } = toCatalogue(await transaction.rows<CatalogueRow>(READ_CATALOGUE));
      const release = releases.find((other) => compareReleases(key, other) === 0) ?? null;
      const { result, change } = decide({ release, count: releases.length });
      if (!change) throw new NothingToChange(result);
      const event: FleetEvent = { ...change.event, id: eventId, at: now, hostId: null, generation: null };
      await transaction.executeAll([
        deleteRelease(key),
        ...(change.release ? [insertRelease(change.release)] : []),
        ...eventStatements([event]),
      ]);
      return result;
    };
    return this.database.transaction(work, { commitProofEventIds: [eventId] }).catch((error: unknown) => {
      if (error instanceof NothingToChange) return error.result as A;
      throw error;
    });
  }

  get known(): VersionRules {
    return this.rules;
  }

  async current(): Promise<VersionRules> {
    const [stored] = await this.database.rows<{ revision: string }>(READ_CATALOGUE_REVISION);
    if (this.revision === null || this.revision !== stored?.revision) {
      const { revision, releases } = toCatalogue(await this.database.rows<CatalogueRow>(READ_CATALOGUE));
      this.rules = new VersionRules(this.version, releases);
      this.revision = revision;
    }
    return this.rules;
  }

  async all(): Promise<readonly Release[]> {
    return (await this.current()).releases;
  }
}

function toCatalogue(rows: readonly CatalogueRow[]): StoredCatalogue {
  const releases = rows.map(toRelease).filter((release) => release !== null);
  return { revision: rows[0]?.revision ?? '', releases: releases.sort(compareReleases) };
}

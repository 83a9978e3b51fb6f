import {
  FleetError,
  type Clock,
  type Enrolment,
  type EnrolmentDecision,
  type Enrolments,
  type FleetEvent,
  type Identifiers,
} from '@app/fleet';
import { OptimisticLockError, type Database, type GuardedStatement, type Transaction } from '../database.js';
import {
  FIND_ENROLMENT_BY_HASH,
  insertEnrolment,
  LOCK_ENROLMENT,
  READ_ENROLMENT,
  READ_ENROLMENTS,
  revokeEnrolment,
  toEnrolment,
  type EnrolmentRow,
} from '../statements/enrolments.js';
import { eventStatements } from '../statements/events.js';
import { RestoreStore } from './restore-store.js';

/** Enrolments: lookups for authentication, and changes by operators. Registrations count them (`enrolment-uses.ts`). */
export class EnrolmentStore implements Enrolments {
  private site: string | null = null;
  private readonly sites: RestoreStore;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {
    this.sites = new RestoreStore(database, clock, identifiers);
  }

  /** Read once: the site of a database never changes, not even by a restore. */
  async siteId(): Promise<string> {
    this.site ??= (await this.sites.findOrCreate(this.identifiers.newId(this.clock.now()))).siteId;
    return this.site;
  }

  create(tokenHash: string, decide: (now: Date) => EnrolmentDecision): Promise<Enrolment> {
    return this.write(async (_transaction, now) => {
      const decision = decide(now);
      return { decision, statements: [insertEnrolment(decision.enrolment, tokenHash)] };
    });
  }

  change(enrolmentId: string, decide: (enrolment: Enrolment, now: Date) => EnrolmentDecision): Promise<Enrolment> {
    return this.write(async (transaction, now) => {
      const [row] = await transaction.rows<EnrolmentRow>(LOCK_ENROLMENT, [enrolmentId]);
      if (!row) throw new FleetError({ code: 'enrolment_not_found' });
      const decision = decide(toEnrolment(row), now);
      return { decision, statements: decision.event ? [revokeEnrolment(decision.enrolment)] : [] };
    });
  }

  async find(enrolmentId: string): Promise<Enrolment | null> {
    const [row] = await this.database.rows<EnrolmentRow>(READ_ENROLMENT, [enrolmentId]);
    return row ? toEnrolment(row) : null;
  }

  async list(limit: number, after: string | null): Promise<Enrolment[]> {
    return (await this.database.rows<EnrolmentRow>(READ_ENROLMENTS, [after ?? '', limit])).map(toEnrolment);
  }

  /** The enrolment whose token has this SHA-256, in any state. */
  async findByHash(hash: Buffer): Promise<Enrolment | null> {
    const [row] = await this.database.rows<EnrolmentRow>(FIND_ENROLMENT_BY_HASH, [hash]);
    return row ? toEnrolment(row) : null;
  }

  private write(
    work: (
      transaction: Transaction,
      now: Date,
    ) => Promise<{ readonly decision: EnrolmentDecision; readonly statements: readonly GuardedStatement[] }>,
  ): Promise<Enrolment> {
    const eventId = this.identifiers.newId(this.clock.now());
    return this.database.transaction(
      async (transaction, previousCommitMayBePending) => {
        const now = this.clock.now();
        const { decision, statements } = await work(transaction, now);
        // The previous attempt was committed after all: the retry finds its event and returns its result.
        if (
          !decision.event &&
          previousCommitMayBePending &&
          (await transaction.rows('SELECT e.id FROM event AS e WHERE e.id = ?', [eventId])).length > 0
        )
          throw new OptimisticLockError();
        const event: FleetEvent[] = decision.event
          ? [{ ...decision.event, id: eventId, at: now, hostId: null, generation: null }]
          : [];
        await transaction.executeAll([...statements, ...eventStatements(event)]);
        return decision.enrolment;
      },
      { commitProofEventIds: [eventId] },
    );
  }
}

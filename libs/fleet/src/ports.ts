import type { Enrolment, EnrolmentDecision } from './enrolments/enrolment.js';
import type { FleetEvent } from './events/fleet-event.js';
import type { FleetFilter } from './fleet-filter.js';
import type { HeartbeatVerdict, QueuedHeartbeat } from './heartbeats/heartbeat.js';
import type { ApiKey, KeyRingSnapshot, KeyDecision, GeneratedSecret, Passphrase } from './keys/key-ring.js';
import type { AvailabilityAttempt, AvailabilityRecord, ClockDisagreement } from './availability/availability-clock.js';
import type { Moment } from './availability/moment.js';
import type {
  Actor,
  HostRecord,
  IdentityFacts,
  InconsistencyKind,
  ProcessServer,
  Tombstone,
} from './process-server.js';
import type { Release, ReleaseDecision, ReleaseKey, ReleaseSnapshot } from './version/release.js';
import type { VersionRules } from './version/version-rules.js';
import type { PlanCandidate, PlanResult, PurgePlan } from './removal/purge-plan.js';

/** The only source of time for the rules. */
export abstract class Clock {
  /** Wall time. It may step, by years, and backwards. */
  abstract now(): Date;
  /** Milliseconds since an arbitrary start. Never steps, so ages, deadlines and rates are measured with it. */
  abstract monotonicMs(): number;
}

export abstract class Randomness {
  /** A number from 0 (inclusive) to 1 (exclusive). */
  abstract random(): number;
}

/** Generates ids, before the first attempt to write them. */
export abstract class Identifiers {
  /** A UUID v7, which sorts by `time`. */
  abstract newId(time: Date): string;
  /**
   * The same UUID v8 for the same key. It sorts after every UUID v7, so an event that is written only once follows the
   * events of its time.
   */
  abstract deterministicId(key: string): string;
  /** A 128-bit digest of a text, as 32 hex digits. */
  abstract digest(text: string): string;
}

export interface IssuedCredential {
  /** Returned once, never stored. */
  readonly credential: string;
  readonly credentialHash: string;
}

/** Issues the credentials of process servers: `psc_...`, bound to a host id and a generation. */
export abstract class CredentialIssuer {
  abstract issue(hostId: string, generation: number): IssuedCredential;
}

/** Issues the tokens of enrolments: `pse_...`, bound to a site. */
export abstract class EnrolmentTokenIssuer {
  /** `tokenHash` is SHA-256, hex. */
  abstract issue(siteId: string): { readonly token: string; readonly tokenHash: string };
}

/** Generates API keys and passphrases. The store keeps only their hashes. */
export abstract class SecretGenerator {
  abstract apiKey(): Omit<GeneratedSecret, 'id'> & { readonly secret: string };
  abstract passphrase(): Omit<GeneratedSecret, 'id'> & { readonly secret: string };
}

/** The file from which the operator of this replica reads the passphrase. */
export abstract class PassphraseFile {
  /** Writes the passphrase durably to a staging file, replacing an earlier one. */
  abstract stage(passphrase: string): Promise<void>;
  /** Renames the staging file to the passphrase file, and returns its path. */
  abstract commit(): Promise<string>;
  /** SHA-256 of the staged passphrase, hex; null when none is staged. */
  abstract stagedHash(): Promise<string | null>;
  /** Deletes the staging file. */
  abstract discard(): Promise<void>;
}

/** The input of a decision: the host's record, locked until the decision is written, and the moment of the decision. */
export interface LockedRecord extends HostRecord, Moment {
  /** The site's generation floor: registrations up to this generation predate the last restore; 0 before the first restore. */
  readonly generationFloor: number;
}

/** The write that a decision makes to a host's record. */
export type RecordWrite =
  | { readonly to: 'registered'; readonly entry: ProcessServer }
  | { readonly to: 'decommissioned'; readonly entry: ProcessServer }
  | { readonly to: 'revoked'; readonly entry: ProcessServer }
  /** Only repairs damaged rows. */
  | { readonly to: 'repaired'; readonly entry: ProcessServer | null }
  | {
      readonly to: 'removed';
      readonly tombstone: Tombstone;
      readonly allowConnected: boolean;
      /** The entry's generation, where it differs from the tombstone's. */ readonly entryGeneration?: number;
    }
  /** For a host without an entry. */
  | { readonly to: 'remembered'; readonly tombstone: Tombstone };

/** The outcome of a decision: the result, and unless nothing changes, the write with its single event. */
export interface Decision<A> {
  readonly result: A;
  readonly change?: {
    readonly write: RecordWrite;
    readonly event: Omit<FleetEvent, 'id' | 'at' | 'hostId'>;
    /** The event of the silence that the change ends; it precedes the event of the change. */
    readonly endedSilence?: Omit<FleetEvent, 'id' | 'at' | 'hostId'> | null;
  };
}

/** Another entry with the same address, name or machine id. */
export interface PossibleDuplicate extends IdentityFacts {
  readonly hostId: string;
}

/** Reads and changes the registry, one host at a time. */
export abstract class Registry {
  /**
   * Locks the record of a host id, calls `decide`, and writes the decision with its event in one transaction. The whole
   * transaction is retried after a deadlock or a lost connection; after a commit with unknown outcome, the event's id
   * shows whether it was committed.
   * @throws FleetError what `decide` throws (nothing is written), or `database_unavailable` after 5 s;
   * PlanAlreadyApplied when the change belongs to a plan whose result is stored.
   */
  abstract change<A>(hostId: string, decide: (locked: LockedRecord) => Decision<A>): Promise<A>;
  /** Reads without locking. */
  abstract find(hostId: string): Promise<LockedRecord>;
  /** Other entries with this address, name or machine id. */
  abstract findPossibleDuplicates(hostId: string, facts: IdentityFacts): Promise<PossibleDuplicate[]>;
  /** Writes the event of a rejection, at most once an hour for each kind and host, caller or site. */
  abstract recordRejection(rejection: Omit<FleetEvent, 'id' | 'at'>, caller?: string): Promise<void>;
}

/** The API keys and passphrases of all replicas. */
export abstract class KeyRing {
  /**
   * Serialises changes across replicas: calls `decide` with the key of this name or id, and writes the decision with
   * its event in one transaction.
   * @throws FleetError what `decide` throws (nothing is written), or `database_unavailable` after 5 s.
   */
  abstract change<A>(
    caller: Actor,
    selector: { readonly name?: string; readonly keyId?: string },
    decide: (locked: KeyRingSnapshot) => KeyDecision<A>,
  ): Promise<A>;
  /** All API keys ever created, in order of creation, after this id. */
  abstract apiKeys(limit: number, after: string | null): Promise<ApiKey[]>;
  abstract passphrases(limit: number, after: string | null): Promise<Passphrase[]>;
  /** Whether the passphrase with this SHA-256 (hex) is valid once all pending changes have committed. */
  abstract isValidPassphrase(hash: string): Promise<boolean>;
}

/** The release catalogue of all replicas. */
export abstract class Releases {
  /**
   * Serialises changes across replicas: calls `decide` with the release of this key, and writes the decision with its
   * event in one transaction.
   * @throws FleetError what `decide` throws (nothing is written), or `database_unavailable` after 5 s.
   */
  abstract change<A>(key: ReleaseKey, decide: (snapshot: ReleaseSnapshot) => ReleaseDecision<A>): Promise<A>;
  /** All releases at present, ordered by component, operating system and version. */
  abstract all(): Promise<readonly Release[]>;
}

/** The rules of version statuses, by the release catalogue of all replicas. */
export abstract class VersionRuleSource {
  /** By the catalogue at present; one small read, and another after a change. */
  abstract current(): Promise<VersionRules>;
  /** By the copy that was read last, at most some seconds ago: for calls that must not wait for a read. */
  abstract readonly known: VersionRules;
}

/** The enrolments of all replicas. */
export abstract class Enrolments {
  /** The id of the site of this database. */
  abstract siteId(): Promise<string>;
  /** Writes a new enrolment with its event. @throws FleetError what `decide` throws. */
  abstract create(tokenHash: string, decide: (now: Date) => EnrolmentDecision): Promise<Enrolment>;
  /**
   * Locks the enrolment, and writes the decision with its event, if it has one.
   * @throws FleetError `enrolment_not_found`, or what `decide` throws.
   */
  abstract change(
    enrolmentId: string,
    decide: (enrolment: Enrolment, now: Date) => EnrolmentDecision,
  ): Promise<Enrolment>;
  abstract find(enrolmentId: string): Promise<Enrolment | null>;
  /** All enrolments ever created, in order of creation, after this id. */
  abstract list(limit: number, after: string | null): Promise<Enrolment[]>;
}

/** Records removals outside of the database, so that they can be repeated after a restore from a backup. Never fails the caller. */
export abstract class RemovalRecorder {
  /** Resolves when the records are durable. */
  abstract recordRemovals(tombstones: readonly Tombstone[]): Promise<void>;
  /** Records that a removed host has registered again. */
  abstract recordRegistration(entry: ProcessServer): Promise<void>;
}

/** The position of a clean-up among the due entries. */
export interface CleanUpCursor {
  readonly decommissionedAt: Date;
  readonly hostId: string;
}

export interface CleanUpBatch {
  readonly removed: number;
  /** The next position; null at the end. Entries locked by other transactions are skipped and left to the next run. */
  readonly next: CleanUpCursor | null;
}

/** An entry is due when it was decommissioned at or before either limit. */
export interface Due {
  /** Null while the wall clock is not trusted. */
  readonly decommissionedAt: Date | null;
  readonly availableMs: number;
}

/** The limits before which records are deleted. */
export interface RetentionLimits {
  readonly eventsBefore: Date;
  readonly plansExpiredBefore: Date;
  readonly now: Date;
}

export abstract class Removals {
  /** Replaces up to `limit` due entries with tombstones, in one transaction that re-checks each. */
  abstract removeDue(due: Due, limit: number, after: CleanUpCursor | null): Promise<CleanUpBatch>;
  /**
   * Deletes up to `limit` old events, expired purge plans, and names that no cursor needs, unless `limits` is null;
   * compacts the counters. Returns whether more may remain.
   */
  abstract deleteExpired(limits: RetentionLimits | null, limit: number): Promise<boolean>;
  abstract recordRun(run: CleanUpRun): Promise<void>;
  abstract lastRun(): Promise<CleanUpRun | null>;
  abstract oldestDecommission(): Promise<{ readonly at: Date; readonly removeBy: Date } | null>;
}

export interface DamagedHost {
  readonly hostId: string;
  readonly kinds: readonly InconsistencyKind[];
}

/** Finds and repairs rows that contradict each other. */
export abstract class Inconsistencies {
  /**
   * Checks up to `limit` entries after this host id, and rows without an entry in the same range. `next` is the next
   * position; null at the end.
   */
  abstract scan(
    after: string,
    limit: number,
  ): Promise<{ readonly damaged: readonly DamagedHost[]; readonly next: string | null }>;
  /** Corrects the counters from the entries, and writes an event when one was wrong. Returns the number of wrong counters. */
  abstract repairCounters(): Promise<number>;
}

export interface CleanUpRun {
  readonly at: Date;
  readonly by: string;
  readonly removed: number;
  readonly error: string | null;
}

export abstract class Leases {
  /**
   * Evaluates and writes a batch of heartbeats of distinct hosts in one transaction, and returns a verdict for each, in
   * order. A `deferred` heartbeat must be submitted again with the next batch. Each attempt uses a new moment, so that
   * a delayed batch is not written with an old timestamp.
   * @throws FleetError `database_unavailable` after `withinMs`.
   */
  abstract writeBatch(
    heartbeats: readonly QueuedHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]>;
}

export abstract class AvailabilityStore {
  /**
   * Proves that a heartbeat could be committed by writing to every table that heartbeats write to, and advances the
   * availability clock to `now`. Writes the event of an outage or a clock step that it detects.
   * @throws when no heartbeat could have been committed.
   */
  abstract record(now: Date, attempt: AvailabilityAttempt): Promise<AvailabilityRecord | ClockDisagreement>;
}

export abstract class PurgePlans {
  /** Up to `limit` matching Disconnected entries, ordered by host id. */
  abstract candidates(filter: FleetFilter, limit: number): Promise<PlanCandidate[]>;
  /** The number of further matches after this host id, counted up to `max`. */
  abstract remaining(filter: FleetFilter, afterHostId: string, max: number): Promise<number>;
  /** Saves a plan, and keeps the latest `MAX_PLANS_PER_CALLER` unapplied plans of its creator. */
  abstract save(plan: PurgePlan): Promise<void>;
  abstract find(planId: string): Promise<{ readonly plan: PurgePlan; readonly result: PlanResult | null } | null>;
  /**
   * Stores the first result of a plan, and returns the stored one. An entry that this call skipped but a concurrent
   * call of the same plan purged counts as purged.
   */
  abstract saveResult(planId: string, result: PlanResult): Promise<PlanResult>;
  abstract fleetSize(): Promise<number>;
}

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
import type { PlanCandidate, PlanResult, PurgePlan } from './removal/purge-plan.js';

/** The one clock that decides. */
export abstract class Clock {
  /** Wall time. It may step, by years and also backwards. */
  abstract now(): Date;
  /** Milliseconds since an arbitrary start. Never steps: ages, deadlines and rates are measured by it. */
  abstract monotonicMs(): number;
}

export abstract class Randomness {
  /** From 0 up to, not including, 1. */
  abstract random(): number;
}

/** Identities, made before the first attempt to write them. */
export abstract class Identifiers {
  /** A UUID v7: it sorts by the instant. */
  abstract newId(time: Date): string;
  /** Always the same UUID (v8) for the same key. It sorts after every one made for an instant: what must be told only once follows what happened. */
  abstract deterministicId(key: string): string;
  /** 128 bits that stand for a text, as 32 hex digits. */
  abstract digest(text: string): string;
}

export interface IssuedCredential {
  /** Shown once. */
  readonly credential: string;
  readonly credentialHash: string;
}

/** Credentials of process servers: `psc_`, bound to host id and generation. */
export abstract class CredentialIssuer {
  abstract issue(hostId: string, generation: number): IssuedCredential;
}

/** Secrets that let people and process servers in: made here, shown once or never, kept as hashes. */
export abstract class SecretGenerator {
  abstract apiKey(): Omit<GeneratedSecret, 'id'> & { readonly secret: string };
  abstract passphrase(): Omit<GeneratedSecret, 'id'> & { readonly secret: string };
}

/** The file in which the operator of this replica finds the passphrase. */
export abstract class PassphraseFile {
  /** On disk, under a name of its own; one that was prepared before is gone. */
  abstract stage(passphrase: string): Promise<void>;
  /** The prepared one becomes the file, whose path is returned. */
  abstract commit(): Promise<string>;
  /** SHA-256 of the prepared one, hex; null when there is none. */
  abstract stagedHash(): Promise<string | null>;
  /** The prepared one is gone. */
  abstract discard(): Promise<void>;
}

/** What the store shows a decision: the host's record, locked until the decision is written, and the moment it is made at. */
export interface LockedRecord extends HostRecord, Moment {
  /** The site's: a registration of this generation or an earlier one is from before the database was restored; 0 when it never was. */
  readonly generationFloor: number;
}

/** What becomes of a host's record. */
export type RecordWrite =
  | { readonly to: 'registered'; readonly entry: ProcessServer }
  | { readonly to: 'decommissioned'; readonly entry: ProcessServer }
  | { readonly to: 'revoked'; readonly entry: ProcessServer }
  /** Nothing but the repair of damaged rows. */
  | { readonly to: 'repaired'; readonly entry: ProcessServer | null }
  | {
      readonly to: 'removed';
      readonly tombstone: Tombstone;
      readonly allowConnected: boolean;
      /** Where it is not the tombstone's. */ readonly entryGeneration?: number;
    }
  /** Of a host that has no entry. */
  | { readonly to: 'remembered'; readonly tombstone: Tombstone };

/** A decision: the answer, and unless nothing changes, the write with its one event. */
export interface Decision<A> {
  readonly result: A;
  readonly change?: {
    readonly write: RecordWrite;
    readonly event: Omit<FleetEvent, 'id' | 'at' | 'hostId'>;
    /** The event of the silence that the change ends; it comes before the change's own. */
    readonly endedSilence?: Omit<FleetEvent, 'id' | 'at' | 'hostId'> | null;
  };
}

/** Another entry with the same address, name or machine id. */
export interface PossibleDuplicate extends IdentityFacts {
  readonly hostId: string;
}

/** The registry's entries, one host at a time. */
export abstract class Registry {
  /**
   * Locks the record of a host id, asks `decide` what becomes of it, and writes that with its event in one transaction.
   * Deadlocks and lost connections are retried whole; when the outcome of a commit is unknown, the event's id tells.
   * @throws FleetError what `decide` throws (nothing is written), or `database_unavailable` after 5 s; PlanAlreadyApplied when
   * it removes in the name of a plan whose result is stored.
   */
  abstract change<A>(hostId: string, decide: (locked: LockedRecord) => Decision<A>): Promise<A>;
  /** Reads without locking. */
  abstract find(hostId: string): Promise<LockedRecord>;
  /** Other entries with this address, name or machine id. */
  abstract findPossibleDuplicates(hostId: string, facts: IdentityFacts): Promise<PossibleDuplicate[]>;
  /** Writes a refusal's event, unless this host, this caller, or the site has one of this kind in this hour. */
  abstract recordRejection(rejection: Omit<FleetEvent, 'id' | 'at'>, caller?: string): Promise<void>;
}

/** API keys and passphrases, of all replicas. */
export abstract class KeyRing {
  /**
   * One change after the other, whoever asks: shows `decide` the key by this name or identity, and writes what it decides
   * with its event in one transaction.
   * @throws FleetError what `decide` throws (nothing is written), or `database_unavailable` after 5 s.
   */
  abstract change<A>(
    caller: Actor,
    selector: { readonly name?: string; readonly keyId?: string },
    decide: (locked: KeyRingSnapshot) => KeyDecision<A>,
  ): Promise<A>;
  /** All that there ever were, in the order in which they were made, after this identity. */
  abstract apiKeys(limit: number, after: string | null): Promise<ApiKey[]>;
  abstract passphrases(limit: number, after: string | null): Promise<Passphrase[]>;
  /** Whether a passphrase with this SHA-256, hex, lets somebody in, once all changes that are under way are over. */
  abstract isValidPassphrase(hash: string): Promise<boolean>;
}

/** Remembers outside of the database who was removed, for the day on which the database is restored from a backup. Never fails its caller. */
export abstract class RemovalRecorder {
  /** Returns when they are on disk. */
  abstract recordRemovals(tombstones: readonly Tombstone[]): Promise<void>;
  /** A host that had been removed has registered again. */
  abstract recordRegistration(entry: ProcessServer): Promise<void>;
}

/** Where a clean-up stands among what is due. */
export interface CleanUpCursor {
  readonly decommissionedAt: Date;
  readonly hostId: string;
}

export interface CleanUpBatch {
  readonly removed: number;
  /** Where to go on; null when nothing more is due. What somebody else holds is passed over, and left to the next pass. */
  readonly next: CleanUpCursor | null;
}

/** Due is what was decommissioned at or before either. */
export interface Due {
  /** Null while the wall clock does not decide. */
  readonly decommissionedAt: Date | null;
  readonly availableMs: number;
}

/** What is old by now, and is forgotten. */
export interface RetentionLimits {
  readonly eventsBefore: Date;
  readonly plansExpiredBefore: Date;
  readonly now: Date;
}

export abstract class Removals {
  /** Turns up to `limit` entries that are due into tombstones, in one transaction that re-checks each. */
  abstract removeDue(due: Due, limit: number, after: CleanUpCursor | null): Promise<CleanUpBatch>;
  /** Deletes up to `limit` old events, expired purge plans, and names that no walk needs, unless `old` is null; adds up the tally. Returns whether more may remain. */
  abstract deleteExpired(limits: RetentionLimits | null, limit: number): Promise<boolean>;
  abstract recordRun(run: CleanUpRun): Promise<void>;
  abstract lastRun(): Promise<CleanUpRun | null>;
  abstract oldestDecommission(): Promise<{ readonly at: Date; readonly removeBy: Date } | null>;
}

export interface DamagedHost {
  readonly hostId: string;
  readonly kinds: readonly InconsistencyKind[];
}

/** Finds rows that contradict each other. */
export abstract class Inconsistencies {
  /** Looks at up to `limit` entries after this host id, and at rows without an entry among them. `next` is where to go on; null at the end. */
  abstract scan(
    after: string,
    limit: number,
  ): Promise<{ readonly damaged: readonly DamagedHost[]; readonly next: string | null }>;
  /** Makes the tally equal to the entries, with an event when it was not. Returns how many of its counts were wrong. */
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
   * Judges and writes a group of heartbeats of distinct hosts in one transaction; a verdict for each, in order. `carry` is
   * "ask again with the next group". Each attempt is made at a moment of its own, so that what waited is not written as of before.
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
   * Proves that a heartbeat could be committed by writing to every table that heartbeats write, as they do, and moves the row on
   * to `now`. Writes the event of an outage or of a clock step that this finds.
   * @throws when no heartbeat could have been committed.
   */
  abstract record(now: Date, attempt: AvailabilityAttempt): Promise<AvailabilityRecord | ClockDisagreement>;
}

export abstract class PurgePlans {
  /** Up to `limit` Disconnected entries that match, in the order of their host ids. */
  abstract candidates(filter: FleetFilter, limit: number): Promise<PlanCandidate[]>;
  /** How many more match after this host id, counted up to `most`. */
  abstract remaining(filter: FleetFilter, afterHostId: string, max: number): Promise<number>;
  /** Of its creator's plans that are not applied, keeps the latest `MAX_PLANS_PER_CALLER`. */
  abstract save(plan: PurgePlan): Promise<void>;
  abstract find(planId: string): Promise<{ readonly plan: PurgePlan; readonly result: PlanResult | null } | null>;
  /** Keeps the first result; returns the one that is kept. What this one skipped and another apply of the plan purged meanwhile counts as purged. */
  abstract saveResult(planId: string, result: PlanResult): Promise<PlanResult>;
  abstract fleetSize(): Promise<number>;
}

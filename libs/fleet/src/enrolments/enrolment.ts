import { callerAuthor, type FleetEvent } from '../events/fleet-event.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { Actor, ProcessServer } from '../process-server.js';

const DAY_MS = 86_400_000;
export const DEFAULT_ENROLMENT_MS = 5 * DAY_MS;
export const MAX_ENROLMENT_DAYS = 90;

/** Permits a limited number of registrations until it expires. Its token is not stored. */
export interface Enrolment {
  readonly enrolmentId: string;
  readonly note: string;
  readonly createdAt: Date;
  readonly createdBy: string;
  /** At exactly this time it has expired. */
  readonly expiresAt: Date;
  readonly maxRegistrations: number;
  /** The number of registrations that were counted. */
  readonly registrations: number;
  readonly revokedAt: Date | null;
  readonly revokedBy: string | null;
}

export type EnrolmentState = 'Active' | 'Expired' | 'UsedUp' | 'Revoked';

/** A revocation is final; an expired enrolment is Expired whether it was used up or not. */
export function enrolmentStateAt(
  now: Date,
  { expiresAt, maxRegistrations, registrations, revokedAt }: Enrolment,
): EnrolmentState {
  if (revokedAt) return 'Revoked';
  if (expiresAt <= now) return 'Expired';
  return registrations < maxRegistrations ? 'Active' : 'UsedUp';
}

/** The rejection of a registration that the enrolment does not permit, or null. */
export function enrolmentError(now: Date, enrolment: Enrolment): FleetErrorDetails | null {
  const { enrolmentId, expiresAt, revokedAt, maxRegistrations } = enrolment;
  switch (enrolmentStateAt(now, enrolment)) {
    case 'Revoked':
      return { code: 'enrolment_revoked', enrolmentId, revokedAt: revokedAt ?? now };
    case 'Expired':
      return { code: 'enrolment_expired', enrolmentId, expiredAt: expiresAt };
    case 'UsedUp':
      return { code: 'enrolment_used_up', enrolmentId, maxRegistrations };
    case 'Active':
      return null;
  }
}

/**
 * Whether a registration repeats the one that created this entry: the same host id, machine and enrolment. It is not
 * counted again, so that an agent that lost the response can repeat it, even if the enrolment is used up.
 */
export const isRepetition = (
  before: Pick<ProcessServer, 'enrolmentId' | 'facts'> | null,
  { enrolmentId, machineId }: { readonly enrolmentId: string; readonly machineId: string },
): boolean => before?.enrolmentId === enrolmentId && before.facts.machineId === machineId;

export interface CreateEnrolmentCommand {
  /** Null for the default. */
  readonly expiresAt: Date | null;
  /** Null for one. */
  readonly maxRegistrations: number | null;
  readonly note: string;
  readonly actor: Actor;
}

type EnrolmentEvent = Omit<FleetEvent, 'id' | 'at' | 'hostId' | 'generation'>;

/** The enrolment as it is to be stored, and unless nothing changes, the single event of the change. */
export interface EnrolmentDecision {
  readonly enrolment: Enrolment;
  readonly event: EnrolmentEvent | null;
}

/** @throws FleetError `expiry_not_in_future`, `expiry_too_far`. */
export function createEnrolment(
  { expiresAt: given, maxRegistrations, note, actor }: CreateEnrolmentCommand,
  enrolmentId: string,
  now: Date,
): EnrolmentDecision {
  const expiresAt = given ?? new Date(now.getTime() + DEFAULT_ENROLMENT_MS);
  if (expiresAt <= now) throw new FleetError({ code: 'expiry_not_in_future' });
  if (expiresAt.getTime() - now.getTime() > MAX_ENROLMENT_DAYS * DAY_MS)
    throw new FleetError({ code: 'expiry_too_far', maxDays: MAX_ENROLMENT_DAYS });
  const enrolment: Enrolment = {
    enrolmentId,
    note,
    createdAt: now,
    createdBy: actor.name,
    expiresAt,
    maxRegistrations: maxRegistrations ?? 1,
    registrations: 0,
    revokedAt: null,
    revokedBy: null,
  };
  const detail = {
    enrolmentId,
    note,
    expiresAt: expiresAt.toISOString(),
    maxRegistrations: enrolment.maxRegistrations,
  };
  return { enrolment, event: { kind: 'enrolment_created', ...callerAuthor(actor), detail } };
}

/** Revokes an enrolment in any state; a repeated revocation changes nothing. Its registrations stay. */
export function revokeEnrolment(enrolment: Enrolment, actor: Actor, now: Date): EnrolmentDecision {
  if (enrolment.revokedAt) return { enrolment, event: null };
  const { enrolmentId, note, maxRegistrations, registrations } = enrolment;
  const detail = { enrolmentId, note, state: enrolmentStateAt(now, enrolment), registrations, maxRegistrations };
  return {
    enrolment: { ...enrolment, revokedAt: now, revokedBy: actor.name },
    event: { kind: 'enrolment_revoked', ...callerAuthor(actor), detail },
  };
}

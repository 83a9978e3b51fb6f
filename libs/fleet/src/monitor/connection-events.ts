import { toWallClock } from '../availability/availability-clock.js';
import type { Moment } from '../availability/moment.js';
import { MAX_EVENTS_PER_HOUR, type EventBounds } from '../events/event-bounds.js';
import { systemAuthor, type FleetEvent } from '../events/fleet-event.js';
import type { Identifiers } from '../ports.js';

/** The author of the events that no call causes. */
export const MONITOR = 'monitor';

/** A lease that has ended. */
export interface EndedLease {
  readonly hostId: string;
  readonly generation: number;
  readonly expiresAvailableMs: number;
  /** The wall time of the last heartbeat, or of the registration before the first. */
  readonly lastSeenAt: Date;
  readonly sourceAddress: string;
}

const endOf = ({ expiresAvailableMs, lastSeenAt, sourceAddress }: EndedLease, { at, availableMs }: Moment) => ({
  leaseEndedAt: toWallClock(expiresAvailableMs, availableMs, at).toISOString(),
  lastSeenAt: lastSeenAt.toISOString(),
  sourceAddress,
});

/**
 * The event of the end of a lease: the same id from the monitor and from the call that ends the silence, so one is written. It is
 * one millisecond early, so that it precedes the events of a call at the same time.
 */
export const disconnectedEvent = (
  lease: EndedLease,
  moment: Moment,
  identifiers: Pick<Identifiers, 'deterministicId'>,
): FleetEvent => ({
  id: identifiers.deterministicId(`${lease.hostId} ${lease.generation} disconnected ${lease.expiresAvailableMs}`),
  at: new Date(moment.at.getTime() - 1),
  kind: 'disconnected',
  hostId: lease.hostId,
  generation: lease.generation,
  ...systemAuthor(MONITOR),
  detail: endOf(lease, moment),
});

/** The events around `ended`, the end of a silence. */
export const silenceEvents = (
  ended: FleetEvent,
  lease: EndedLease,
  availableMs: number,
  reconnectedId: string,
  identifiers: Pick<Identifiers, 'deterministicId'>,
): { readonly disconnected: FleetEvent; readonly reconnected: FleetEvent } => {
  const moment = { at: ended.at, availableMs };
  return {
    disconnected: disconnectedEvent(lease, moment, identifiers),
    reconnected: { ...ended, id: reconnectedId, kind: 'reconnected', detail: endOf(lease, moment) },
  };
};

const HOUR_MS = 3_600_000;

/** Whether the end of this silence would be suppressed: then its beginning is too, so that events come in pairs. */
export function isSilenceSuppressed({ silence_ended: bound }: EventBounds, now: Date): boolean {
  return (
    bound !== undefined &&
    Math.abs(now.getTime() - bound.sinceMs) < HOUR_MS &&
    bound.written >= MAX_EVENTS_PER_HOUR.silence_ended
  );
}

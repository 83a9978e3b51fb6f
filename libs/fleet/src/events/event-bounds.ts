import type { EventKind, FleetEvent } from './fleet-event.js';

/**
 * The events that an accepted heartbeat can cause, and how many of each kind one host may cause in an hour. What a process server
 * reports may alternate as fast as it sends; its timeline must not grow as fast.
 */
export const MAX_EVENTS_PER_HOUR = {
  silence_ended: 10,
  version_changed: 10,
  version_newer_than_configuration_server: 10,
  source_address_changed: 1,
} as const satisfies Partial<Record<EventKind, number>>;

export type HeartbeatEventKind = keyof typeof MAX_EVENTS_PER_HOUR;

/** An event that a heartbeat is worth; a `key` says that there is one of it for ever. */
export type HeartbeatEvent = Pick<FleetEvent, 'detail'> & { readonly kind: HeartbeatEventKind; readonly key?: string };

/** The present hour of one kind: it begins with the kind's first event. */
interface Bound {
  /** Milliseconds of wall time. */
  readonly sinceMs: number;
  readonly written: number;
  readonly suppressed: number;
  /** The key of the last event that had one. */
  readonly lastKey?: string;
}

/** What one host has caused, kept with its lease. */
export type EventBounds = { readonly [Kind in HeartbeatEventKind]?: Bound };

export const NO_EVENTS_YET: EventBounds = {};

const HOUR_MS = 3_600_000;

/** Of the news of a heartbeat those that become events, and the bounds afterwards: the same object when no news was counted. */
export function boundHeartbeatEvents(
  heartbeatEvents: readonly HeartbeatEvent[],
  before: EventBounds,
  now: Date,
): { readonly heartbeatEvents: HeartbeatEvent[]; readonly bounds: EventBounds } {
  const events: HeartbeatEvent[] = [];
  let bounds = before;
  for (const heartbeatEvent of heartbeatEvents) {
    const bound = bounds[heartbeatEvent.kind];
    if (heartbeatEvent.key !== undefined && heartbeatEvent.key === bound?.lastKey) continue; // written already
    const { next, event } = countEvent(heartbeatEvent, bound, now.getTime());
    bounds = { ...bounds, [heartbeatEvent.kind]: next };
    if (event) events.push(event);
  }
  return { heartbeatEvents: events, bounds };
}

/** An hour that has passed, or that a clock which stepped has left far behind or ahead, is over; the event that begins the next one tells how many were suppressed. */
function countEvent(
  heartbeatEvent: HeartbeatEvent,
  bound: Bound | undefined,
  nowMs: number,
): { readonly next: Bound; readonly event: HeartbeatEvent | null } {
  const key = heartbeatEvent.key === undefined ? {} : { lastKey: heartbeatEvent.key };
  if (!bound || Math.abs(nowMs - bound.sinceMs) >= HOUR_MS) {
    const detail = bound?.suppressed
      ? { ...heartbeatEvent.detail, suppressed: bound.suppressed }
      : heartbeatEvent.detail;
    return { next: { sinceMs: nowMs, written: 1, suppressed: 0, ...key }, event: { ...heartbeatEvent, detail } };
  }
  if (bound.written >= MAX_EVENTS_PER_HOUR[heartbeatEvent.kind])
    return { next: { ...bound, suppressed: bound.suppressed + 1 }, event: null };
  return { next: { ...bound, written: bound.written + 1, ...key }, event: heartbeatEvent };
}

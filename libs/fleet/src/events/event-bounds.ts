import type { EventKind, FleetEvent } from './fleet-event.js';

/**
 * The event kinds that an accepted heartbeat can cause, with the maximum number for each host and hour. The reported
 * values may alternate with every heartbeat; the timeline must not grow as fast.
 */
export const MAX_EVENTS_PER_HOUR = {
  silence_ended: 10,
  version_changed: 10,
  version_newer_than_configuration_server: 10,
  source_address_changed: 1,
} as const satisfies Partial<Record<EventKind, number>>;

export type HeartbeatEventKind = keyof typeof MAX_EVENTS_PER_HOUR;

/** An event caused by a heartbeat; an event with a `key` is written only once. */
export type HeartbeatEvent = Pick<FleetEvent, 'detail'> & { readonly kind: HeartbeatEventKind; readonly key?: string };

/** The current hour of one kind: it begins with the first event of the kind. */
interface Bound {
  /** Wall time in milliseconds. */
  readonly sinceMs: number;
  readonly written: number;
  readonly suppressed: number;
  /** The key of the last event with a key. */
  readonly lastKey?: string;
}

/** The event counts of one host, stored with its lease. */
export type EventBounds = { readonly [Kind in HeartbeatEventKind]?: Bound };

export const NO_EVENTS_YET: EventBounds = {};

const HOUR_MS = 3_600_000;

/** Selects the events of a heartbeat that are written, and returns the new bounds: the same object when nothing was counted. */
export function boundHeartbeatEvents(
  heartbeatEvents: readonly HeartbeatEvent[],
  before: EventBounds,
  now: Date,
): { readonly heartbeatEvents: HeartbeatEvent[]; readonly bounds: EventBounds } {
  const events: HeartbeatEvent[] = [];
  let bounds = before;
  for (const heartbeatEvent of heartbeatEvents) {
    const bound = bounds[heartbeatEvent.kind];
    if (heartbeatEvent.key !== undefined && heartbeatEvent.key === bound?.lastKey) continue; // already written
    const { next, event } = countEvent(heartbeatEvent, bound, now.getTime());
    bounds = { ...bounds, [heartbeatEvent.kind]: next };
    if (event) events.push(event);
  }
  return { heartbeatEvents: events, bounds };
}

/**
 * Counts an event. A new hour begins when the current one has passed, or when a clock step has moved it far away; its
 * first event shows how many were suppressed.
 */
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

import {
  MAX_CLOCK_DISAGREEMENT_MS,
  type Clock,
  type EventKind,
  type FleetEvent,
  type AvailabilityState,
} from '@app/fleet';
import type { Database } from '../database.js';
import { MAX_UUID } from '../entities/columns.js';
import { EVENT } from '../entities/fleet-tables.js';
import type { DomainNames, RowOf } from '../entities/table.js';
import { toEvent } from '../statements/rows.js';

/** Events younger than this are not read past: transactions that are still in progress may add earlier ones. */
export const EVENT_VISIBILITY_LAG_MS = 10_000;

export interface EventPosition {
  /** RFC 3339. */
  readonly at: string;
  readonly id: string;
  /** Availability clock when the position was made, to detect that the wall clock stepped back later. Absent if unknown. */
  readonly availableMs?: number;
}

/** The part of the availability clock that event queries use. */
export interface ClockSteps {
  readonly steppedBack: AvailabilityState['steppedBack'];
  availableMsAt(now: Date): number;
}

export type EventSortOrder = 'oldest' | 'newest';

export interface EventFilter {
  readonly kind?: EventKind;
  /** Any of these kinds. */
  readonly kinds?: readonly EventKind[];
  readonly hostId?: string;
  readonly actor?: string;
  readonly from?: Date;
  readonly to?: Date;
}

export interface EventPage {
  readonly items: readonly FleetEvent[];
  /** Position of the next page; null after the last page. Oldest first, it stays 10 s behind, so that late commits are not missed. */
  readonly next: EventPosition | null;
  /** The same, after the last page too, for readers that follow the log. Null newest first. */
  readonly tail: EventPosition | null;
  readonly asOf: Date;
}

/** The start position, newest first. */
const NEWEST: EventPosition = { at: '9999-12-31T23:59:59.999Z', id: MAX_UUID };

export class EventLogQuery {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly steps: ClockSteps | null = null,
  ) {}

  /**
   * Moves a position back after the wall clock stepped back, since events after the step have earlier timestamps. Events may be
   * returned twice; none is missed.
   */
  resumeAt(from: Date, asOf: Date, availableMs?: number): Date {
    const back = this.steps?.steppedBack;
    const isAhead = from.getTime() > asOf.getTime() + MAX_CLOCK_DISAGREEMENT_MS;
    if (!back || !(isAhead || (availableMs !== undefined && availableMs <= back.availableMs))) return from;
    return new Date(Math.min(from.getTime(), back.to.getTime() - EVENT_VISIBILITY_LAG_MS));
  }

  /** Reads a page, sorted by timestamp and id. */
  async fetchPage(
    filter: EventFilter,
    limit: number,
    given: EventPosition | null,
    sortOrder: EventSortOrder = 'oldest',
  ): Promise<EventPage> {
    const asOf = this.clock.now();
    const isNewest = sortOrder === 'newest';
    const position = given && !isNewest ? this.resumePosition(given, asOf) : given;
    const conditions = [
      ...(filter.hostId ? [{ sql: 'e.host_id = ?', parameters: [filter.hostId] as unknown[] }] : []),
      ...(filter.kind ? [{ sql: 'e.kind = ?', parameters: [filter.kind] }] : []),
      ...(filter.kinds ? [{ sql: 'e.kind IN (?)', parameters: [filter.kinds] }] : []),
      ...(filter.actor ? [{ sql: 'e.actor = ?', parameters: [filter.actor] }] : []),
      ...(filter.from ? [{ sql: 'e.at >= ?', parameters: [filter.from] }] : []),
      ...(filter.to ? [{ sql: 'e.at < ?', parameters: [filter.to] }] : []),
      ...(position ? [afterPosition(position, isNewest)] : []),
      // Events from before a step back are in the future: they are returned when the clock reaches them.
      ...(position && !isNewest && this.steps?.steppedBack
        ? [{ sql: 'e.at <= ?', parameters: [new Date(asOf.getTime() + MAX_CLOCK_DISAGREEMENT_MS)] }]
        : []),
    ];
    const where = conditions.length > 0 ? `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}` : '';
    const rows = await this.database.rows<DomainNames<RowOf<typeof EVENT>>>(
      `SELECT ${EVENT.named('e')} FROM event AS e ${indexFor(filter)} ${where}
       ORDER BY ${isNewest ? 'e.at DESC, e.id DESC' : 'e.at, e.id'} LIMIT ?`,
      [...conditions.flatMap(({ parameters }) => parameters), limit + 1],
    );
    const items = rows.slice(0, limit).map(toEvent);
    if (isNewest)
      return { items, next: rows.length > limit ? (lastOf(items) ?? position ?? NEWEST) : null, tail: null, asOf };
    const tail = {
      ...tailPosition(items, position, asOf),
      ...(this.steps && { availableMs: this.steps.availableMsAt(asOf) }),
    };
    return { items, next: rows.length > limit ? tail : null, tail, asOf };
  }

  private resumePosition(position: EventPosition, asOf: Date): EventPosition {
    const at = this.resumeAt(new Date(position.at), asOf, position.availableMs).toISOString();
    return at === position.at ? position : { at, id: '' };
  }
}

/** Forces the index of the host or of all events against stale statistics. Between actor and kind, the optimizer chooses. */
function indexFor({ hostId, actor, kind, kinds }: EventFilter): string {
  if (hostId) return 'FORCE INDEX (ix_host)';
  return actor || kind || kinds ? '' : 'FORCE INDEX (ix_at)';
}

function afterPosition(
  { at, id }: EventPosition,
  isNewest: boolean,
): { readonly sql: string; readonly parameters: unknown[] } {
  const comparison = isNewest ? '<' : '>';
  const timestamp = new Date(at);
  return {
    sql: `(e.at ${comparison} ? OR (e.at = ? AND e.id ${comparison} ?))`,
    parameters: [timestamp, timestamp, id],
  };
}

function lastOf(items: readonly FleetEvent[]): EventPosition | null {
  const last = items.at(-1);
  return last ? { at: last.at.toISOString(), id: last.id } : null;
}

/** After the last item, but not within the visibility lag. */
function tailPosition(items: readonly FleetEvent[], position: EventPosition | null, asOf: Date): EventPosition {
  const safePosition: EventPosition = {
    at: new Date(asOf.getTime() - EVENT_VISIBILITY_LAG_MS).toISOString(),
    id: MAX_UUID,
  };
  const reached = lastOf(items) ?? position;
  if (!reached) return safePosition;
  return reached.at < safePosition.at ? reached : safePosition;
}

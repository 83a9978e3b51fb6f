import { Readable } from 'node:stream';
import { FleetError, type Clock } from '@app/fleet';
import { EVENT_VISIBILITY_LAG_MS, type EventPage, type EventPosition, type EventLogQuery } from '@app/fleet-mysql';
import type { ExportEventsQuery } from '@app/api-contract';
import { toEventDto, toEventFilter } from './event.mapper.js';

/** Events in one database read. */
const EVENTS_PER_SLICE = 200;
/** Concurrent exports at this replica. */
const MAX_EXPORTS_PER_CALLER = 2;
const MAX_EXPORTS = 4;
/** An export that is not read for this long is ended, because it would block other exports. */
const MAX_UNREAD_MS = 20_000;

/** The audit log as JSON lines. */
export class EventExports {
  /** Callers of the running exports. */
  private readonly running: string[] = [];

  constructor(
    private readonly events: Pick<EventLogQuery, 'fetchPage' | 'resumeAt'>,
    private readonly clock: Clock,
    private readonly maxUnreadMs = MAX_UNREAD_MS,
  ) {}

  /**
   * Exports all events that can no longer change: up to 10 s ago, so that consecutive exports miss and repeat none.
   * @throws RequestProblem `validation_failed` for an unknown kind.
   * @throws FleetError `request_rate_exceeded` if too many exports are running; any error of the first page.
   */
  async export(query: ExportEventsQuery, caller: string): Promise<{ readonly until: Date; readonly lines: Readable }> {
    const asOf = this.clock.now();
    const requested = toEventFilter(query);
    const given = { ...requested, ...(requested.from && { from: this.events.resumeAt(requested.from, asOf) }) };
    const visibleUntil = new Date(asOf.getTime() - EVENT_VISIBILITY_LAG_MS);
    const last = given.to && given.to < visibleUntil ? given.to : visibleUntil;
    const until = given.from && given.from > last ? given.from : last; // empty so far: the next export has the same start
    const filter = { ...given, to: until };
    const after = (position: EventPosition | null): Promise<EventPage> =>
      this.events.fetchPage(filter, EVENTS_PER_SLICE, position);
    this.begin(caller);
    try {
      return { until, lines: new EventLines(await after(null), after, this.maxUnreadMs, () => this.end(caller)) };
    } catch (error) {
      this.end(caller);
      throw error;
    }
  }

  private begin(caller: string): void {
    const exportsOfCaller = this.running.filter((each) => each === caller);
    if (this.running.length >= MAX_EXPORTS || exportsOfCaller.length >= MAX_EXPORTS_PER_CALLER)
      throw new FleetError({ code: 'request_rate_exceeded' });
    this.running.push(caller);
  }

  private end(caller: string): void {
    this.running.splice(this.running.indexOf(caller), 1);
  }
}

/** Reads the next slice after the previous one was read, and holds no database connection meanwhile. */
class EventLines extends Readable {
  private position: EventPosition | null = null;
  private unread: NodeJS.Timeout | undefined;

  constructor(
    private first: EventPage | null,
    private readonly after: (position: EventPosition) => Promise<EventPage>,
    private readonly maxUnreadMs: number,
    private readonly onEnded: () => void,
  ) {
    super({ highWaterMark: 0 }); // no read-ahead
    this.restartReadTimeout();
  }

  override _read(): void {
    clearTimeout(this.unread);
    this.nextLines().then(
      (lines) => {
        this.restartReadTimeout();
        this.push(lines);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.unread);
    this.onEnded();
    done(error);
  }

  private async nextLines(): Promise<string | null> {
    const page = this.first ?? (this.position && (await this.after(this.position)));
    this.first = null;
    this.position = page?.next ?? null;
    return page?.items.map((event) => `${JSON.stringify(toEventDto(event))}\n`).join('') || null;
  }

  private restartReadTimeout(): void {
    if (this.destroyed) return;
    this.unread = setTimeout(() => this.destroy(new Error('the export was not read')), this.maxUnreadMs);
  }
}

import { Readable } from 'node:stream';
import { FleetError, type Clock } from '@app/fleet';
import { EVENTS_SETTLE_MS, type EventPage, type EventPosition, type EventReader } from '@app/fleet-mysql';
import type { ExportEventsQuery } from '@app/wire';
import { eventBody, eventFilter } from './event.mapping.js';

/** Events read from the database at a time. */
const SLICE_EVENTS = 200;
/** Exports at once, at this replica. */
const MOST_OF_A_CALLER = 2;
const MOST_OF_ALL = 4;
/** An export of which nothing is read for this long is ended: it would keep others from theirs. */
const LONGEST_UNREAD_MS = 20_000;

/** The audit log as JSON lines. */
export class EventExports {
  /** The callers of those that run. */
  private readonly running: string[] = [];

  constructor(
    private readonly events: Pick<EventReader, 'page' | 'resumeAt'>,
    private readonly clock: Clock,
    private readonly longestUnreadMs = LONGEST_UNREAD_MS,
  ) {}

  /**
   * All of it, as far as it can no longer change: up to 10 s ago, so that an export that begins at the end of the one before misses
   * none and repeats none.
   * @throws RequestProblem `validation_failed` for a kind that there is none of.
   * @throws FleetError `request_rate_exceeded` when too many run; what the first page failed with.
   */
  async export(query: ExportEventsQuery, caller: string): Promise<{ readonly until: Date; readonly lines: Readable }> {
    const asOf = this.clock.now();
    const asked = eventFilter(query);
    const given = { ...asked, ...(asked.from && { from: this.events.resumeAt(asked.from, asOf) }) };
    const settled = new Date(asOf.getTime() - EVENTS_SETTLE_MS);
    const last = given.to && given.to < settled ? given.to : settled;
    const until = given.from && given.from > last ? given.from : last; // nothing to tell yet: the next export begins where this one would have
    const filter = { ...given, to: until };
    const after = (position: EventPosition | null): Promise<EventPage> =>
      this.events.page(filter, SLICE_EVENTS, position);
    this.begin(caller);
    try {
      return { until, lines: new EventLines(await after(null), after, this.longestUnreadMs, () => this.end(caller)) };
    } catch (error) {
      this.end(caller);
      throw error;
    }
  }

  private begin(caller: string): void {
    const ofCaller = this.running.filter((each) => each === caller);
    if (this.running.length >= MOST_OF_ALL || ofCaller.length >= MOST_OF_A_CALLER)
      throw new FleetError({ code: 'request_rate_exceeded' });
    this.running.push(caller);
  }

  private end(caller: string): void {
    this.running.splice(this.running.indexOf(caller), 1);
  }
}

/** Reads the next slice when the one before was read, and keeps no connection to the database meanwhile. */
class EventLines extends Readable {
  private position: EventPosition | null = null;
  private unread: NodeJS.Timeout | undefined;

  constructor(
    private first: EventPage | null,
    private readonly after: (position: EventPosition) => Promise<EventPage>,
    private readonly longestUnreadMs: number,
    private readonly ended: () => void,
  ) {
    super({ highWaterMark: 0 }); // nothing is read ahead
    this.awaitReader();
  }

  override _read(): void {
    clearTimeout(this.unread);
    this.nextLines().then(
      (lines) => {
        this.awaitReader();
        this.push(lines);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.unread);
    this.ended();
    done(error);
  }

  private async nextLines(): Promise<string | null> {
    const page = this.first ?? (this.position && (await this.after(this.position)));
    this.first = null;
    this.position = page?.next ?? null;
    return page?.items.map((event) => `${JSON.stringify(eventBody(event))}\n`).join('') || null;
  }

  private awaitReader(): void {
    if (this.destroyed) return;
    this.unread = setTimeout(() => this.destroy(new Error('the export was not read')), this.longestUnreadMs);
  }
}

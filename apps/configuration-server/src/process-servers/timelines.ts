import { Readable } from 'node:stream';
import { connectionStateAt, EVENT_KINDS, FleetError, ownDoing, type Clock, type EventKind, type FleetEvent } from '@app/fleet';
import { EVENTS_SETTLE_MS, type EventFilter, type EventPage, type EventPosition, type EventReader } from '@app/fleet-mysql';
import type { EventBody, EventList, ExportEventsQuery, ListEventsQuery, PageQuery } from '@app/wire';
import type { Cursors } from '../fleet/cursors.js';
import { RequestProblem } from '../problems/request-problem.js';
import type { FleetViews } from './fleet-views.js';

const DEFAULT_LIMIT = 100;
/** Events read at a time. */
const EXPORT_PAGE = 1_000;

type Entry = Awaited<ReturnType<FleetViews['entry']>>;

const eventBody = ({ at, ...event }: FleetEvent): EventBody => ({ ...event, at: at.toISOString() });

function kindOf(text: string): EventKind {
  const kind = EVENT_KINDS.find((known) => known === text);
  if (!kind) throw RequestProblem.field('kind', `kind must be one of ${EVENT_KINDS.join(', ')}`);
  return kind;
}

function eventFilter({ kind, hostId, actor, from, to }: ExportEventsQuery): EventFilter {
  return {
    ...(kind !== undefined && { kind: kindOf(kind) }),
    ...(hostId !== undefined && { hostId: hostId.toLowerCase() }),
    ...(actor !== undefined && { actor }),
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  };
}

/** What happened: to one process server, or to the whole site. */
export class Timelines {
  constructor(
    private readonly events: EventReader,
    private readonly views: FleetViews,
    private readonly cursors: Cursors,
    private readonly clock: Clock,
  ) {}

  /** @throws RequestProblem `invalid_cursor`, or `validation_failed` for a kind that there is none of. */
  async audit({ limit = DEFAULT_LIMIT, cursor, ...given }: ListEventsQuery): Promise<EventList> {
    const filter = eventFilter(given);
    const query = { list: 'events', filter };
    return this.body(query, await this.events.page(filter, limit, this.cursors.open<EventPosition>(query, cursor)));
  }

  /**
   * All of it as JSON lines, as far as it can no longer change: up to 10 s ago, so that an export that begins at the end of
   * the one before misses none and repeats none.
   * @throws RequestProblem `validation_failed` for a kind that there is none of; what the first page failed with.
   */
  async export(query: ExportEventsQuery): Promise<{ readonly until: Date; readonly lines: Readable }> {
    const asOf = this.clock.now();
    const asked = eventFilter(query);
    const given = { ...asked, ...(asked.from && { from: this.events.resumeAt(asked.from, asOf) }) };
    const settled = new Date(asOf.getTime() - EVENTS_SETTLE_MS);
    const last = given.to && given.to < settled ? given.to : settled;
    const until = given.from && given.from > last ? given.from : last; // nothing to tell yet: the next export begins where this one would have
    const filter = { ...given, to: until };
    const first = await this.events.page(filter, EXPORT_PAGE, null);
    return { until, lines: Readable.from(this.linesFrom(filter, first), { objectMode: false }) };
  }

  private async *linesFrom(filter: EventFilter, first: EventPage): AsyncGenerator<string> {
    for (let page = first; ; page = await this.events.page(filter, EXPORT_PAGE, page.next)) {
      if (page.items.length > 0) yield page.items.map((event) => `${JSON.stringify(eventBody(event))}\n`).join('');
      if (!page.next) return;
    }
  }

  /**
   * With a silence that runs now as its last item, on one page more when the last is full.
   * @throws FleetError `process_server_not_found` when nothing was ever heard of the host id.
   */
  async ofHost(hostId: string, { limit = DEFAULT_LIMIT, cursor }: PageQuery): Promise<EventList> {
    const query = { list: 'timeline', hostId };
    const page = await this.events.page({ hostId }, limit, this.cursors.open<EventPosition>(query, cursor));
    if (page.next) return this.body(query, page);
    const entry = await this.entryOrNull(hostId);
    if (!entry && page.items.length === 0 && cursor === undefined) throw new FleetError({ code: 'process_server_not_found' });
    const silence = entry ? runningSilence(entry) : [];
    if (page.items.length + silence.length > limit) return this.body(query, { ...page, next: page.follow });
    const body = this.body(query, page);
    return { ...body, items: [...body.items, ...silence] };
  }

  private async entryOrNull(hostId: string): Promise<Entry | null> {
    return this.views.entry(hostId).catch((error: unknown) => {
      if (error instanceof FleetError && error.fault.code === 'process_server_not_found') return null;
      throw error;
    });
  }

  private body(query: object, { items, next, follow, asOf }: EventPage): EventList {
    return {
      items: items.map(eventBody),
      nextCursor: next && this.cursors.seal(query, next),
      followCursor: this.cursors.seal(query, follow),
      asOf: asOf.toISOString(),
    };
  }
}

/** None while it is connected or is leaving. */
function runningSilence({ server, asOf }: Entry): EventBody[] {
  if (server.decommission || connectionStateAt(asOf.listenedMs, server) === 'Connected') return [];
  const { hostId, generation, lease, registeredAt } = server;
  const from = (lease.lastHeartbeatAt ?? registeredAt).toISOString();
  const silentForSeconds = Math.floor((asOf.listenedMs - lease.heardAtListenedMs) / 1000);
  return [{ id: null, at: from, kind: 'silence', hostId, generation, ...ownDoing('configuration-server'), detail: { from, to: null, silentForSeconds } }];
}

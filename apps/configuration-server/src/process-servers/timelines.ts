import { connectionStateAt, FleetError, ownDoing } from '@app/fleet';
import type { EventFilter, EventOrder, EventPage, EventPosition, EventReader } from '@app/fleet-mysql';
import type { EventBody, EventList, ListEventsQuery, ListTimelineQuery } from '@app/wire';
import type { Cursors } from '../fleet/cursors.js';
import { eventBody, eventFilter } from './event.mapping.js';
import type { FleetViews } from './fleet-views.js';

const DEFAULT_LIMIT = 100;

type Entry = Awaited<ReturnType<FleetViews['entry']>>;

/** What a cursor is bound to; cursors from before there were two orders stay valid. */
const boundTo = (list: 'events' | 'timeline', filter: object, order: EventOrder): object => ({
  list,
  ...filter,
  ...(order === 'newest' && { order }),
});

/** What happened: to one process server, or to the whole site. */
export class Timelines {
  constructor(
    private readonly events: EventReader,
    private readonly views: FleetViews,
    private readonly cursors: Cursors,
  ) {}

  /** @throws RequestProblem `invalid_cursor`, or `validation_failed` for a kind that there is none of. */
  async audit({ limit = DEFAULT_LIMIT, cursor, order = 'oldest', ...given }: ListEventsQuery): Promise<EventList> {
    const filter = eventFilter(given);
    const query = boundTo('events', { filter }, order);
    return this.body(
      query,
      await this.events.page(filter, limit, this.cursors.open<EventPosition>(query, cursor), order),
    );
  }

  /**
   * With a silence that runs now as its newest item: on one page more when the last is full, oldest first.
   * @throws FleetError `process_server_not_found` when nothing was ever heard of the host id.
   */
  async ofHost(
    hostId: string,
    { limit = DEFAULT_LIMIT, cursor, order = 'oldest', ...window }: ListTimelineQuery,
  ): Promise<EventList> {
    const filter: EventFilter = { hostId, ...eventFilter(window) };
    const query = boundTo('timeline', filter, order);
    const position = this.cursors.open<EventPosition>(query, cursor);
    return order === 'newest'
      ? this.newestFirst(query, filter, limit, position)
      : this.oldestFirst(query, filter, limit, position);
  }

  private async oldestFirst(
    query: object,
    filter: EventFilter,
    limit: number,
    position: EventPosition | null,
  ): Promise<EventList> {
    const page = await this.events.page(filter, limit, position);
    if (page.next) return this.body(query, page);
    const silence = await this.silenceIn(filter, page.items.length > 0 || position !== null);
    if (page.items.length + silence.length > limit) return this.body(query, { ...page, next: page.follow });
    const body = this.body(query, page);
    return { ...body, items: [...body.items, ...silence] };
  }

  private async newestFirst(
    query: object,
    filter: EventFilter,
    limit: number,
    position: EventPosition | null,
  ): Promise<EventList> {
    if (position) return this.body(query, await this.events.page(filter, limit, position, 'newest'));
    const silence = await this.silenceIn(filter, false);
    const body = this.body(query, await this.events.page(filter, limit - silence.length, null, 'newest'));
    return { ...body, items: [...silence, ...body.items] };
  }

  /** @throws FleetError `process_server_not_found` when the host id has neither an entry nor events. */
  private async silenceIn(filter: EventFilter, isKnown: boolean): Promise<EventBody[]> {
    const { hostId = '' } = filter;
    const entry = await this.entryOrNull(hostId);
    if (entry) return runningSilence(entry, filter);
    if (!isKnown && (await this.events.page({ hostId }, 1, null)).items.length === 0)
      throw new FleetError({ code: 'process_server_not_found' });
    return [];
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
      followCursor: follow && this.cursors.seal(query, follow),
      asOf: asOf.toISOString(),
    };
  }
}

/** None while it is connected or is leaving, or when all of the silence lies outside of the window. */
function runningSilence({ server, asOf }: Entry, { from: windowStart, to: windowEnd }: EventFilter): EventBody[] {
  if (server.decommission || connectionStateAt(asOf.listenedMs, server) === 'Connected') return [];
  const { hostId, generation, lease, registeredAt } = server;
  const silentSince = lease.lastHeartbeatAt ?? registeredAt;
  const isEmptyWindow = windowStart && windowEnd && windowStart >= windowEnd;
  if (isEmptyWindow || (windowEnd && silentSince >= windowEnd) || (windowStart && asOf.at < windowStart)) return [];
  const from = silentSince.toISOString();
  const silentForSeconds = Math.floor((asOf.listenedMs - lease.heardAtListenedMs) / 1000);
  return [
    {
      id: null,
      at: from,
      kind: 'silence',
      hostId,
      generation,
      ...ownDoing('configuration-server'),
      detail: { from, to: null, silentForSeconds },
    },
  ];
}

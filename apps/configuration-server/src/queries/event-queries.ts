import { connectionStateAt, FleetError, systemAuthor } from '@app/fleet';
import type { EventFilter, EventSortOrder, EventPage, EventPosition, EventLogQuery } from '@app/fleet-mysql';
import type { EventDto, EventList, ListEventsQuery, ListTimelineQuery } from '@app/api-contract';
import { decodeCursor, encodeCursor, isTimestampMs, isUuid, type Members } from './cursor-codec.js';
import { toEventDto, toEventFilter } from './event.mapper.js';
import type { ProcessServerQueries } from './process-server-queries.js';

const DEFAULT_LIMIT = 100;

type Entry = Awaited<ReturnType<ProcessServerQueries['entry']>>;

/** The query that a cursor belongs to; older cursors without an order stay valid. */
const boundTo = (list: 'events' | 'timeline', filter: object, order: EventSortOrder): object => ({
  list,
  ...filter,
  ...(order === 'newest' && { order }),
});

const isEventPosition = ({ at, id, availableMs }: Members<EventPosition>): boolean =>
  typeof at === 'string' &&
  isTimestampMs(Date.parse(at)) &&
  (id === '' || isUuid(id)) &&
  (availableMs === undefined || Number.isFinite(availableMs));

/** Events of one process server, or of the whole site. */
export class EventQueries {
  constructor(
    private readonly events: EventLogQuery,
    private readonly processServerQueries: ProcessServerQueries,
  ) {}

  /** @throws RequestProblem `invalid_cursor`, or `validation_failed` for an unknown kind. */
  async listEvents({ limit = DEFAULT_LIMIT, cursor, order = 'oldest', ...given }: ListEventsQuery): Promise<EventList> {
    const filter = toEventFilter(given);
    const query = boundTo('events', { filter }, order);
    return this.eventList(
      query,
      await this.events.fetchPage(filter, limit, decodeCursor(query, cursor, isEventPosition), order),
    );
  }

  /**
   * Adds an ongoing silence as the newest item; oldest first, it is on an additional page if the last one is full.
   * @throws FleetError `process_server_not_found` if the host id is unknown.
   */
  async listHostEvents(
    hostId: string,
    { limit = DEFAULT_LIMIT, cursor, order = 'oldest', ...window }: ListTimelineQuery,
  ): Promise<EventList> {
    const filter: EventFilter = { hostId, ...toEventFilter(window) };
    const query = boundTo('timeline', filter, order);
    const position = decodeCursor(query, cursor, isEventPosition);
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
    const page = await this.events.fetchPage(filter, limit, position);
    if (page.next) return this.eventList(query, page);
    const silence = await this.ongoingSilenceIn(filter, page.items.length > 0 || position !== null);
    if (page.items.length + silence.length > limit) return this.eventList(query, { ...page, next: page.tail });
    const eventList = this.eventList(query, page);
    return { ...eventList, items: [...eventList.items, ...silence] };
  }

  private async newestFirst(
    query: object,
    filter: EventFilter,
    limit: number,
    position: EventPosition | null,
  ): Promise<EventList> {
    if (position) return this.eventList(query, await this.events.fetchPage(filter, limit, position, 'newest'));
    const silence = await this.ongoingSilenceIn(filter, false);
    const eventList = this.eventList(
      query,
      await this.events.fetchPage(filter, limit - silence.length, null, 'newest'),
    );
    return { ...eventList, items: [...silence, ...eventList.items] };
  }

  /** @throws FleetError `process_server_not_found` if the host id has neither an entry nor events. */
  private async ongoingSilenceIn(filter: EventFilter, isKnown: boolean): Promise<EventDto[]> {
    const { hostId = '' } = filter;
    const entry = await this.entryOrNull(hostId);
    if (entry) return ongoingSilence(entry, filter);
    if (!isKnown && (await this.events.fetchPage({ hostId }, 1, null)).items.length === 0)
      throw new FleetError({ code: 'process_server_not_found' });
    return [];
  }

  private async entryOrNull(hostId: string): Promise<Entry | null> {
    return this.processServerQueries.entry(hostId).catch((error: unknown) => {
      if (error instanceof FleetError && error.details.code === 'process_server_not_found') return null;
      throw error;
    });
  }

  private eventList(query: object, { items, next, tail: follow, asOf }: EventPage): EventList {
    return {
      items: items.map(toEventDto),
      nextCursor: next && encodeCursor(query, next),
      followCursor: follow && encodeCursor(query, follow),
      asOf: asOf.toISOString(),
    };
  }
}

/** None if the process server is Connected or Decommissioned, or if the silence does not overlap the period. */
function ongoingSilence({ server, asOf }: Entry, { from: windowStart, to: windowEnd }: EventFilter): EventDto[] {
  if (server.decommission || connectionStateAt(asOf.availableMs, server) === 'Connected') return [];
  const { hostId, generation, lease, registeredAt } = server;
  const silentSince = lease.lastHeartbeatAt ?? registeredAt;
  const isEmptyWindow = windowStart && windowEnd && windowStart >= windowEnd;
  if (isEmptyWindow || (windowEnd && silentSince >= windowEnd) || (windowStart && asOf.at < windowStart)) return [];
  const from = silentSince.toISOString();
  const silentForSeconds = Math.floor((asOf.availableMs - lease.lastSeenAvailableMs) / 1000);
  return [
    {
      id: null,
      at: from,
      kind: 'silence',
      hostId,
      generation,
      ...systemAuthor('configuration-server'),
      detail: { from, to: null, silentForSeconds },
    },
  ];
}

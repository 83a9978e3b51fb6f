import { connectionStateAt, FleetError, ownDoing } from '@app/fleet';
import type { EventPage, EventPosition, EventReader } from '@app/fleet-mysql';
import type { EventBody, EventList, ListEventsQuery, PageQuery } from '@app/wire';
import type { Cursors } from '../fleet/cursors.js';
import { eventBody, eventFilter } from './event.mapping.js';
import type { FleetViews } from './fleet-views.js';

const DEFAULT_LIMIT = 100;

type Entry = Awaited<ReturnType<FleetViews['entry']>>;

/** What happened: to one process server, or to the whole site. */
export class Timelines {
  constructor(
    private readonly events: EventReader,
    private readonly views: FleetViews,
    private readonly cursors: Cursors,
  ) {}

  /** @throws RequestProblem `invalid_cursor`, or `validation_failed` for a kind that there is none of. */
  async audit({ limit = DEFAULT_LIMIT, cursor, ...given }: ListEventsQuery): Promise<EventList> {
    const filter = eventFilter(given);
    const query = { list: 'events', filter };
    return this.body(query, await this.events.page(filter, limit, this.cursors.open<EventPosition>(query, cursor)));
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

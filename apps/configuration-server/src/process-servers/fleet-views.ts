import { FleetError, type ProcessServer, type Registry, type Version } from '@app/fleet';
import { NAME_WALK_MS, type AsOf, type FleetReader, type Position } from '@app/fleet-mysql';
import type { ListProcessServersQuery, ProcessServerDetail, ProcessServerList } from '@app/wire';
import { entityTagOf } from '../edge/entity-tag.js';
import type { Cursors } from '../fleet/cursors.js';
import { RequestProblem } from '../problems/request-problem.js';
import { fleetFilter } from './fleet-filter.js';
import { detailOf, summaryOf } from './process-server.mapping.js';

const DEFAULT_LIMIT = 100;

interface WalkState {
  readonly position: Position;
  /** What the first page's walk keeps to: wall instant in milliseconds, and L. */
  readonly first: { readonly atMs: number; readonly listenedMs: number };
}

/** The fleet as the portal and the operators see it. */
export class FleetViews {
  constructor(
    private readonly reader: FleetReader,
    private readonly registry: Registry,
    private readonly cursors: Cursors,
    private readonly version: Version,
  ) {}

  /** @throws RequestProblem `invalid_cursor`. */
  async list({
    limit = DEFAULT_LIMIT,
    cursor,
    sort = 'hostId',
    ...filters
  }: ListProcessServersQuery): Promise<ProcessServerList> {
    const filter = fleetFilter(filters);
    const query = { list: 'process-servers', sort, filter };
    const state = this.cursors.open<WalkState>(query, cursor);
    const begun = state && { at: new Date(state.first.atMs), listenedMs: state.first.listenedMs };
    const { items, next, asOf, walkAsOf } = await this.reader.page({
      sort,
      filter,
      limit,
      position: state?.position ?? null,
      walkAsOf: begun,
    });
    if (sort === 'friendlyName' && asOf.at.getTime() - walkAsOf.at.getTime() > NAME_WALK_MS)
      throw new RequestProblem('invalid_cursor');
    return {
      items: items.map((server) => summaryOf(server, asOf, this.version, server.possibleDuplicate)),
      nextCursor:
        next &&
        this.cursors.seal(query, {
          position: next,
          first: { atMs: walkAsOf.at.getTime(), listenedMs: walkAsOf.listenedMs },
        } satisfies WalkState),
      asOf: asOf.at.toISOString(),
    };
  }

  /** @throws FleetError `process_server_not_found`. */
  async entry(hostId: string): Promise<{ readonly server: ProcessServer; readonly asOf: AsOf }> {
    const { entry, now, listenedMs } = await this.registry.find(hostId);
    if (!entry) throw new FleetError({ code: 'process_server_not_found' });
    return { server: entry, asOf: { at: now, listenedMs } };
  }

  /** The representation as computed now, and a weak tag of it. */
  async detail(hostId: string): Promise<{ readonly body: ProcessServerDetail; readonly etag: string }> {
    const { server, asOf } = await this.entry(hostId);
    const neighbours = await this.registry.neighbours(hostId, server.facts);
    const body = detailOf(server, asOf, this.version, neighbours);
    return { body, etag: `W/${entityTagOf(JSON.stringify(body))}` };
  }
}

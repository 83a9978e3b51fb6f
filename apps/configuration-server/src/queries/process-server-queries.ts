import { FleetError, type Moment, type ProcessServer, type Registry, type VersionRuleSource } from '@app/fleet';
import { NAME_CURSOR_TTL_MS, type ProcessServerListQuery, type KeysetPosition, type SortKey } from '@app/fleet-mysql';
import type { ListProcessServersQuery, ProcessServerDetail, ProcessServerList } from '@app/api-contract';
import { entityTagOf } from '../edge/entity-tag.js';
import { decodeCursor, encodeCursor, isObject, isTimestampMs, isUuid, type Members } from './cursor-codec.js';
import { RequestProblem } from '../problems/request-problem.js';
import { toFleetFilter } from './fleet-filter.mapper.js';
import { toDetail, toSummary } from './process-server.mapper.js';

const DEFAULT_LIMIT = 100;
/** Changes every second, so the entity tag omits it; the statuses that follow from it are included. */
const AGES: ReadonlySet<string> = new Set(['ageSeconds', 'servicesAgeSeconds', 'certificateAgeSeconds']);
const withoutAges = (name: string, value: unknown): unknown => (AGES.has(name) ? undefined : value);

interface ListCursor {
  readonly position: KeysetPosition;
  /** When the first page was read: wall time in milliseconds since 1970, and the availability clock. */
  readonly snapshot: { readonly atMs: number; readonly availableMs: number };
}

const isListCursorState =
  (sort: SortKey) =>
  ({ position, snapshot }: Members<ListCursor>): boolean => {
    if (!isObject(position) || !isObject(snapshot)) return false;
    const { after, hostId } = position as Members<KeysetPosition>;
    const { atMs, availableMs } = snapshot as Members<ListCursor['snapshot']>;
    const isAfter = sort === 'lastHeartbeat' ? Number.isFinite(after) : typeof after === 'string';
    return isAfter && isUuid(hostId) && isTimestampMs(atMs) && Number.isFinite(availableMs);
  };

/** Reads of process servers for the portal and the operators. */
export class ProcessServerQueries {
  constructor(
    private readonly reader: ProcessServerListQuery,
    private readonly registry: Registry,
    private readonly versions: VersionRuleSource,
    private readonly healthWindowMs: number,
  ) {}

  /** @throws RequestProblem `invalid_cursor`. */
  async list({
    limit = DEFAULT_LIMIT,
    cursor,
    sort = 'hostId',
    ...filters
  }: ListProcessServersQuery): Promise<ProcessServerList> {
    const filter = toFleetFilter(filters);
    const query = { list: 'process-servers', sort, filter };
    const state = decodeCursor<ListCursor>(query, cursor, isListCursorState(sort));
    const resumedSnapshot = state && { at: new Date(state.snapshot.atMs), availableMs: state.snapshot.availableMs };
    const { items, next, asOf, rules, snapshot } = await this.reader.fetchPage({
      sort,
      filter,
      limit,
      position: state?.position ?? null,
      snapshot: resumedSnapshot,
    });
    if (sort === 'friendlyName' && asOf.at.getTime() - snapshot.at.getTime() > NAME_CURSOR_TTL_MS)
      throw new RequestProblem('invalid_cursor');
    return {
      items: items.map((server) => toSummary(server, asOf, rules, this.healthWindowMs, server.possibleDuplicate)),
      nextCursor:
        next &&
        encodeCursor(query, {
          position: next,
          snapshot: { atMs: snapshot.at.getTime(), availableMs: snapshot.availableMs },
        } satisfies ListCursor),
      asOf: asOf.at.toISOString(),
    };
  }

  /** @throws FleetError `process_server_not_found`. */
  async entry(hostId: string): Promise<{ readonly server: ProcessServer; readonly asOf: Moment }> {
    const { entry, at, availableMs } = await this.registry.find(hostId);
    if (!entry) throw new FleetError({ code: 'process_server_not_found' });
    return { server: entry, asOf: { at, availableMs } };
  }

  /** The representation as computed now, with a weak entity tag of all but the ages of its reports. */
  async getDetail(hostId: string): Promise<{ readonly body: ProcessServerDetail; readonly etag: string }> {
    const { server, asOf } = await this.entry(hostId);
    const possibleDuplicates = await this.registry.findPossibleDuplicates(hostId, server.facts);
    const body = toDetail(server, asOf, await this.versions.current(), this.healthWindowMs, possibleDuplicates);
    return { body, etag: `W/${entityTagOf(JSON.stringify(body, withoutAges))}` };
  }
}

import {
  capacityOf,
  nextMachine,
  noPlaceReasons,
  type Clock,
  type Moment,
  type SiteRoom,
  type VersionRules,
} from '@app/fleet';
import type { CapacityEntry, CapacityQuery } from '@app/fleet-mysql';
import type { CapacityQueryParameters, CapacityResponse, ProcessServerCapacity, SiteCapacity } from '@app/api-contract';
import { CostBoundedCache } from './cost-bounded-cache.js';
import { decodeCursor, encodeCursor, isUuid, type Members } from './cursor-codec.js';
import { toSummary } from './process-server.mapper.js';

const DEFAULT_LIMIT = 100;

interface CapacityCursor {
  readonly hostId: string;
}

const isCapacityCursor = ({ hostId }: Members<CapacityCursor>): boolean => isUuid(hostId);

/** The capacity of process servers and of the site. */
export class CapacityQueries {
  private readonly siteRoom: CostBoundedCache<{ readonly site: SiteRoom; readonly asOf: Moment }>;

  constructor(
    private readonly reader: CapacityQuery,
    clock: Clock,
    private readonly healthWindowMs: number,
  ) {
    this.siteRoom = new CostBoundedCache(() => reader.siteRoom(), clock);
  }

  /** @throws RequestProblem `invalid_cursor`. */
  async read({ limit = DEFAULT_LIMIT, cursor, churnBytesPerDay }: CapacityQueryParameters): Promise<CapacityResponse> {
    const query = { list: 'capacity' };
    const after = decodeCursor<CapacityCursor>(query, cursor, isCapacityCursor)?.hostId ?? '';
    const churn = churnBytesPerDay ?? null;
    const { items, next, asOf, rules } = await this.reader.fetchPage(limit, after);
    return {
      site: await this.site(churn),
      items: items.map((entry) => this.toCapacity(entry, asOf, rules, churn)),
      nextCursor: next === null ? null : encodeCursor(query, { hostId: next } satisfies CapacityCursor),
      asOf: asOf.at.toISOString(),
    };
  }

  private async site(churn: number | null): Promise<SiteCapacity> {
    const {
      site: { usableProcessServerCount, room, machinesUnknownCount, churnUnknownCount, ...places },
      asOf,
    } = await this.siteRoom.current();
    const { bestPlace, addProcessServer } = nextMachine(
      { usableProcessServerCount, room, machinesUnknownCount, churnUnknownCount, ...places },
      churn,
    );
    const names = await this.reader.namesOf(bestPlace ? [bestPlace.hostId] : []);
    return {
      usableProcessServerCount,
      room,
      machinesUnknownCount,
      churnUnknownCount,
      bestPlace: bestPlace && { ...bestPlace, friendlyName: names.get(bestPlace.hostId) ?? null },
      addProcessServer,
      asOf: asOf.at.toISOString(),
    };
  }

  private toCapacity(
    { server, hardware, reported }: CapacityEntry,
    asOf: Moment,
    rules: VersionRules,
    churn: number | null,
  ): ProcessServerCapacity {
    const { hostId, friendlyName, ...states } = toSummary(server, asOf, rules, this.healthWindowMs, false);
    const capacity = capacityOf({ hardware, reported, ...states });
    const { sizingClass, limits, room, beyondClass } = capacity;
    const reasons = noPlaceReasons(capacity, churn);
    return {
      hostId,
      friendlyName,
      sizingClass,
      limits,
      reported,
      room,
      beyondClass,
      isPlace: reasons.length === 0,
      noPlaceReasons: reasons,
    };
  }
}

import {
  CLASS_LIMITS,
  HEALTH_WINDOW_MS,
  SIZING_TABLE,
  type Clock,
  type FleetFilter,
  type Hardware,
  type KnownWorkload,
  type ListedServer,
  type Moment,
  type Place,
  type SiteRoom,
  type VersionRules,
  type VersionRuleSource,
  type Workload,
} from '@app/fleet';
import type { Database } from '../database.js';
import { HEALTH, PROCESS_SERVER } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';
import { LISTED_COLUMNS, toListedServer, type ListedRow } from '../statements/rows.js';
import { readMoment } from '../stores/availability-clock-store.js';
import { filterConditions, healthSql } from './filter-conditions.js';

const HARDWARE = PROCESS_SERVER.pick('cpu_cores', 'memory_bytes', 'cache_disk_bytes');
const WORKLOAD = HEALTH.pick('protected_machine_count', 'churn_bytes_per_day');

/** An entry with the facts that its capacity follows from. */
export interface CapacityEntry {
  readonly server: ListedServer;
  readonly hardware: Hardware;
  readonly reported: Workload;
}

type CapacityRow = ListedRow & RowOf<typeof HARDWARE> & RowOf<typeof WORKLOAD>;

/** Params: host id, limit. */
const READ_PAGE = `
  SELECT ${LISTED_COLUMNS}, ${HARDWARE.of('p')}, ${WORKLOAD.of('h')}
    FROM process_server AS p FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_lease AS l ON l.host_id = p.host_id
   STRAIGHT_JOIN process_server_health AS h ON h.host_id = p.host_id
   WHERE p.host_id > ?
   ORDER BY p.host_id
   LIMIT ?`;

/** The limit of the class of an entry, as `sizingClassOf` finds it. */
const limitSql = (name: keyof KnownWorkload): string =>
  `CASE ${SIZING_TABLE.map(
    ({ sizingClass, cpuCores, memoryBytes, cacheDiskBytes }) =>
      `WHEN p.cpu_cores >= ${cpuCores} AND p.memory_bytes >= ${memoryBytes} AND p.cache_disk_bytes >= ${cacheDiskBytes} THEN ${CLASS_LIMITS[sizingClass][name]}`,
  ).join(' ')} ELSE 0 END`;

/** Rooms are counted down from here in the sort keys, so that the first key has the most room. An unknown room sorts last. */
const TOP = { machines: 10 ** 3 - 1, churn: 10 ** 13 - 1 };
const MACHINE_KEY = `LPAD(${TOP.machines} - COALESCE(u.machine_room, 0), 3, '0')`;
const CHURN_KEY = `LPAD(${TOP.churn} - COALESCE(u.churn_room, -1), 14, '0')`;
const IS_PLACE = 'u.machine_room > 0 AND (u.churn_room IS NULL OR u.churn_room >= 0)';

interface SiteRow {
  readonly usable: number;
  readonly machine_room: number;
  readonly churn_room: number;
  readonly unknown_machines: number;
  readonly unknown_churn: number;
  readonly most_churn_room: string | null;
  readonly most_machine_room: string | null;
}

/** A count that scans all entries takes seconds. */
const COUNT_TIMEOUT_MS = 30_000;

/** The capacity of process servers, and of the site as a whole. */
export class CapacityQuery {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly versions: VersionRuleSource,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
  ) {}

  /** A page of all entries in order of host id. */
  async fetchPage(
    limit: number,
    after: string,
  ): Promise<{
    readonly items: CapacityEntry[];
    readonly next: string | null;
    readonly asOf: Moment;
    readonly rules: VersionRules;
  }> {
    const asOf = await readMoment(this.database, this.clock);
    const rules = await this.versions.current();
    const rows = await this.database.rows<CapacityRow>(READ_PAGE, [after, limit + 1]);
    const items = rows.slice(0, limit).map((row) => ({
      server: toListedServer(row),
      hardware: { cpuCores: row.cpu_cores, memoryBytes: row.memory_bytes, cacheDiskBytes: row.cache_disk_bytes },
      reported: { protectedMachineCount: row.protected_machine_count, churnBytesPerDay: row.churn_bytes_per_day },
    }));
    return { items, next: rows.length > limit ? (items.at(-1)?.server.hostId ?? null) : null, asOf, rules };
  }

  /**
   * `siteRoomOf` of the rules in one statement, which reads every entry. The two best places are the minima of sort keys, because
   * sorting the entries twice would read them three times.
   */
  async siteRoom(): Promise<{ readonly site: SiteRoom; readonly asOf: Moment }> {
    const asOf = await readMoment(this.database, this.clock);
    const rules = await this.versions.current();
    const conditionsOf = (filter: FleetFilter) => filterConditions(filter, asOf, rules, this.healthWindowMs);
    const usable = conditionsOf({ lifecycle: 'Registered', connectionState: 'Connected' });
    const [notSupported] = conditionsOf({ versionStatus: 'NotSupported' });
    const health = healthSql(asOf, this.healthWindowMs);
    const conditions = [
      ...usable,
      { sql: `NOT ${notSupported?.sql ?? 'FALSE'}`, parameters: notSupported?.parameters ?? [] },
      { sql: `(${health.sql}) <> 'Critical'`, parameters: health.parameters },
      { sql: `${limitSql('protectedMachineCount')} > 0`, parameters: [] },
    ];
    const [row] = await this.database.rows<SiteRow>(
      `SELECT COUNT(*) AS usable,
              CAST(COALESCE(SUM(GREATEST(0, u.machine_room)), 0) AS SIGNED) AS machine_room,
              CAST(COALESCE(SUM(GREATEST(0, u.churn_room)), 0) AS SIGNED) AS churn_room,
              CAST(COALESCE(SUM(u.machine_room IS NULL), 0) AS SIGNED) AS unknown_machines,
              CAST(COALESCE(SUM(u.churn_room IS NULL), 0) AS SIGNED) AS unknown_churn,
              MIN(IF(${IS_PLACE} AND u.churn_room IS NOT NULL, CONCAT(${CHURN_KEY}, ${MACHINE_KEY}, u.host_id), NULL)) AS most_churn_room,
              MIN(IF(${IS_PLACE}, CONCAT(${MACHINE_KEY}, ${CHURN_KEY}, u.host_id), NULL)) AS most_machine_room
         FROM (SELECT p.host_id,
                      CAST(${limitSql('protectedMachineCount')} AS SIGNED) - CAST(h.protected_machine_count AS SIGNED) AS machine_room,
                      CAST(${limitSql('churnBytesPerDay')} AS SIGNED) - CAST(h.churn_bytes_per_day AS SIGNED) AS churn_room
                 FROM process_server AS p FORCE INDEX (PRIMARY)
                STRAIGHT_JOIN process_server_lease AS l ON l.host_id = p.host_id
                STRAIGHT_JOIN process_server_health AS h ON h.host_id = p.host_id
                WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}) AS u`,
      conditions.flatMap(({ parameters }) => parameters),
      COUNT_TIMEOUT_MS,
    );
    return { site: toSiteRoom(row), asOf };
  }

  /** The names of entries that exist. */
  async namesOf(hostIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (hostIds.length === 0) return new Map();
    const rows = await this.database.rows<{ host_id: string; friendly_name: string }>(
      'SELECT p.host_id, p.friendly_name FROM process_server AS p WHERE p.host_id IN (?)',
      [hostIds],
    );
    return new Map(rows.map(({ host_id, friendly_name }) => [host_id, friendly_name]));
  }
}

function toSiteRoom(row: SiteRow | undefined): SiteRoom {
  return {
    usableProcessServerCount: row?.usable ?? 0,
    room: { protectedMachineCount: row?.machine_room ?? 0, churnBytesPerDay: row?.churn_room ?? 0 },
    machinesUnknownCount: row?.unknown_machines ?? 0,
    churnUnknownCount: row?.unknown_churn ?? 0,
    mostChurnRoom: toPlace(row?.most_churn_room, 14, 0),
    mostMachineRoom: toPlace(row?.most_machine_room, 0, 3),
  };
}

/** Decodes a sort key: the machine key and the churn key at their positions, then the host id. */
function toPlace(key: string | null | undefined, machinesAt: number, churnAt: number): Place | null {
  if (!key) return null;
  const churn = TOP.churn - Number(key.slice(churnAt, churnAt + 14));
  return {
    hostId: key.slice(17),
    room: {
      protectedMachineCount: TOP.machines - Number(key.slice(machinesAt, machinesAt + 3)),
      churnBytesPerDay: churn < 0 ? null : churn,
    },
  };
}

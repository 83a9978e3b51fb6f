import {
  HEALTH_WINDOW_MS,
  type Clock,
  type ConnectionState,
  type Health,
  type Lifecycle,
  type Moment,
  type OsKey,
  type VersionRules,
  type VersionRuleSource,
  type VersionStatus,
} from '@app/fleet';
import type { Database } from '../database.js';
import { candidateUnion, orderedScan, fromClause } from './access-paths.js';
import { healthCandidates, healthSql } from './filter-conditions.js';
import type { SqlFragment } from './sql-fragment.js';
import { readMoment } from '../stores/availability-clock-store.js';
import { COUNT_ENTRIES, READ_COUNTERS } from '../statements/counters.js';

/** Number of entries in each state. */
export interface FleetStateCounts {
  readonly total: number;
  readonly lifecycle: Readonly<Record<Lifecycle, number>>;
  readonly connectionState: Readonly<Record<ConnectionState, number>>;
  /** Every Decommissioned entry is Disconnected, so only this count shows how many of the others are silent. */
  readonly connectionStateByLifecycle: Readonly<Record<Lifecycle, Readonly<Record<ConnectionState, number>>>>;
  readonly versionStatus: Readonly<Record<VersionStatus, number>>;
  readonly health: Readonly<Record<Health, number>>;
  /** Registered with a passphrase that is not the current one. */
  readonly onEarlierPassphrase: number;
}

interface CountRow {
  readonly what:
    | 'registered'
    | 'decommissioned'
    | 'disconnected'
    | 'decommissioned and disconnected'
    | 'earlier passphrase'
    | 'health';
  /** Version key and operating system, or health. */
  readonly name: string;
  readonly entries: number;
}

/** With this many unhealthy candidates, a scan of all entries in key order is faster than a lookup of each candidate. */
const FULL_SCAN_THRESHOLD = 50_000;
/** A count that scans all entries takes seconds. */
const COUNT_TIMEOUT_MS = 30_000;

const READ_DISCONNECTED =
  'SELECT COUNT(*) FROM process_server_lease AS l FORCE INDEX (ix_lease_expiry) WHERE l.expires_available_ms <= ?';

/** Param: available ms. */
const READ_DECOMMISSIONED_AND_DISCONNECTED = `
  SELECT COUNT(*)
    FROM process_server AS d FORCE INDEX (ix_decommissioned_at)
   STRAIGHT_JOIN process_server_lease AS m FORCE INDEX (PRIMARY) ON m.host_id = d.host_id
   WHERE d.decommissioned_at IS NOT NULL AND m.expires_available_ms <= ?`;

const COUNT_NEVER_CONNECTED =
  'SELECT COUNT(*) FROM process_server_lease AS l FORCE INDEX (ix_never_connected) WHERE l.never_connected = 1';

const READ_CURRENT_PASSPHRASE_ID = 'SELECT MAX(s.id) AS id FROM passphrase AS s WHERE s.expires_at IS NULL';
/** Params: id of the current passphrase (twice). */
const COUNT_ON_PREVIOUS_PASSPHRASE =
  'SELECT COUNT(*) FROM process_server AS e FORCE INDEX (ix_passphrase) WHERE e.passphrase_id < ? OR e.passphrase_id > ?';

/**
 * Counts the fleet without a full scan: versions and lifecycles from the counters, Disconnected entries and entries on earlier
 * passphrases by index, and each health but Normal, which is the remainder, by index. One statement gives a consistent read, with the
 * same expressions as the filters of lists. Only the current passphrase is read before.
 */
export class FleetSummaryQuery {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly versions: VersionRuleSource,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
    private readonly fullScanThreshold = FULL_SCAN_THRESHOLD,
  ) {}

  async count(): Promise<{ readonly numbers: FleetStateCounts; readonly asOf: Moment }> {
    const asOf = await readMoment(this.database, this.clock);
    const rules = await this.versions.current();
    const unhealthyCandidates = (['Critical', 'Warning', 'None'] as const).flatMap((health) =>
      healthCandidates(health, asOf, this.healthWindowMs),
    );
    const from = (await this.exceedsThreshold(unhealthyCandidates)) ? ALL_SERVERS : restrictedTo(unhealthyCandidates);
    const health = healthSql(asOf, this.healthWindowMs);
    const currentPassphraseId =
      (await this.database.rows<{ id: string | null }>(READ_CURRENT_PASSPHRASE_ID))[0]?.id ?? '';
    const rows = await this.database.rows<CountRow>(
      `SELECT IF(t.decommissioned, 'decommissioned', 'registered') AS what, CONCAT(t.version_key, ' ', t.os_key) AS name, t.entries FROM (${READ_COUNTERS}) AS t
       UNION ALL SELECT 'disconnected', '', (${READ_DISCONNECTED})
       UNION ALL SELECT 'decommissioned and disconnected', '', (${READ_DECOMMISSIONED_AND_DISCONNECTED})
       UNION ALL SELECT 'earlier passphrase', '', (${COUNT_ON_PREVIOUS_PASSPHRASE})
       UNION ALL SELECT 'health', ${health.sql}, COUNT(*) ${from.sql} WHERE p.decommissioned_at IS NULL GROUP BY 2`,
      [
        asOf.availableMs,
        asOf.availableMs,
        currentPassphraseId,
        currentPassphraseId,
        ...health.parameters,
        ...from.parameters,
      ],
      COUNT_TIMEOUT_MS,
    );
    return { numbers: toCounts(rows, rules, asOf.at), asOf };
  }

  /** Number of entries that have sent a heartbeat. The heartbeat interval grows with it. */
  async senders(): Promise<number> {
    const [row] = await this.database.rows<{ senders: number }>(
      `SELECT (${COUNT_ENTRIES}) - (${COUNT_NEVER_CONNECTED}) AS senders`,
    );
    return Math.max(0, row?.senders ?? 0);
  }

  private async exceedsThreshold(candidates: readonly SqlFragment[]): Promise<boolean> {
    const counts = candidates.map(
      ({ sql }) => `(SELECT COUNT(*) FROM (SELECT x.host_id ${sql} LIMIT ${this.fullScanThreshold}) AS few)`,
    );
    const [row] = await this.database.rows<{ entries: number }>(
      `SELECT ${counts.join(' + ')} AS entries`,
      candidates.flatMap(({ parameters }) => parameters),
    );
    return row !== undefined && row.entries >= this.fullScanThreshold;
  }
}

function toCounts(rows: readonly CountRow[], rules: VersionRules, at: Date): FleetStateCounts {
  const sum = (of: CountRow['what'], isCounted: (name: string) => boolean = () => true): number =>
    rows.reduce((total, { what, name, entries }) => (what === of && isCounted(name) ? total + entries : total), 0);
  const inHealth = (health: Health): number => sum('health', (name) => name === health);
  const [registered, decommissioned, disconnected] = [sum('registered'), sum('decommissioned'), sum('disconnected')];
  const leaving = sum('decommissioned and disconnected');
  const [critical, warning, none] = [inHealth('Critical'), inHealth('Warning'), inHealth('None')];
  const total = registered + decommissioned;
  return {
    total,
    lifecycle: { Registered: registered, Decommissioned: decommissioned },
    connectionState: { Connected: total - disconnected, Disconnected: disconnected },
    connectionStateByLifecycle: {
      Registered: { Connected: registered - disconnected + leaving, Disconnected: disconnected - leaving },
      Decommissioned: { Connected: decommissioned - leaving, Disconnected: leaving },
    },
    versionStatus: countByVersionStatus(rows, rules, at),
    health: {
      None: decommissioned + none,
      Normal: registered - critical - warning - none,
      Warning: warning,
      Critical: critical,
    },
    onEarlierPassphrase: sum('earlier passphrase'),
  };
}

function countByVersionStatus(
  rows: readonly CountRow[],
  rules: VersionRules,
  at: Date,
): FleetStateCounts['versionStatus'] {
  const counts = { Supported: 0, NotSupported: 0, Deprecated: 0, UpdateRequired: 0, SecurityUpdateRequired: 0 };
  for (const { what, name, entries } of rows) {
    if (what !== 'registered' && what !== 'decommissioned') continue;
    const [key = '', osKey = ''] = name.split(' ');
    counts[rules.verdict(key, osKey as OsKey, at).status] += entries;
  }
  return counts;
}

const ALL_SERVERS = fromClause(orderedScan('p', 'PRIMARY'), ['p', 'l', 'h']);
const restrictedTo = (candidates: readonly SqlFragment[]): SqlFragment =>
  fromClause({ alias: 'c', from: candidateUnion(candidates) }, ['p', 'l', 'h']);

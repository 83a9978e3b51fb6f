import {
  checkProtectedMachines,
  HEALTH_WINDOW_MS,
  MAX_PLANS_PER_CALLER,
  type Clock,
  type FleetFilter,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
  type PurgePlans,
  type VersionRuleSource,
} from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { PURGE_PLAN, TOMBSTONE } from '../entities/fleet-tables.js';
import type { HEALTH, LEASE, PROCESS_SERVER } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';
import { hostIdScan, chooseStart, fromClause } from '../queries/access-paths.js';
import { filterConditions } from '../queries/filter-conditions.js';
import type { SqlFragment } from '../queries/sql-fragment.js';
import { readMoment } from './availability-clock-store.js';
import { parseJsonColumn } from '../statements/rows.js';
import { COUNT_ENTRIES } from '../statements/counters.js';

type CandidateRow = Pick<RowOf<typeof PROCESS_SERVER>, 'host_id' | 'generation' | 'friendly_name' | 'ip_address'> &
  Pick<RowOf<typeof LEASE>, 'last_heartbeat_at'> &
  Pick<RowOf<typeof HEALTH>, 'protected_machine_count' | 'protected_machines_unknown'>;

const PLAIN_PLAN = PURGE_PLAN.omit('id', 'filter', 'candidates', 'purges', 'result');
const READ_PLAN = `SELECT ${PURGE_PLAN.of('g')} FROM purge_plan AS g WHERE g.id = ?`;
/** Params: creator, number of plans to keep. Each save deletes at most a hundred surplus plans. */
const READ_SURPLUS_PLANS = `
  SELECT g.id
    FROM purge_plan AS g
   WHERE g.created_by COLLATE utf8mb4_bin = ? AND g.result IS NULL AND g.purges = 0
   ORDER BY g.created_at DESC, g.id DESC
   LIMIT 100 OFFSET ?`;
/** Param: ids. A plan that is being applied is kept. */
const DELETE_PLANS =
  'DELETE g FROM purge_plan AS g FORCE INDEX (PRIMARY) WHERE g.id IN (?) AND g.result IS NULL AND g.purges = 0';
/** Waits for the pending purges of the plan. Param: plan id. */
const LOCK_UNAPPLIED_PLAN = 'SELECT g.id FROM purge_plan AS g WHERE g.id = ? AND g.result IS NULL FOR UPDATE';
/** Params: plan id, host ids. */
const READ_PURGED_BY = `SELECT ${TOMBSTONE.of('t')} FROM tombstone AS t WHERE t.plan_id = ? AND t.host_id IN (?)`;
/** Params: result, plan id. */
const STORE_RESULT = 'UPDATE purge_plan AS g SET g.result = ? WHERE g.id = ?';

/** Candidates, purge plans and their results. */
export class PlanStore implements PurgePlans {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly versions: VersionRuleSource,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
  ) {}

  async candidates(filter: FleetFilter, limit: number): Promise<PlanCandidate[]> {
    const { sql, parameters, id } = await this.disconnectedMatching(filter);
    const rows = await this.database.rows<CandidateRow>(
      `SELECT p.host_id, p.generation, p.friendly_name, p.ip_address, l.last_heartbeat_at, h.protected_machine_count, h.protected_machines_unknown
         ${sql}
        ORDER BY ${id}
        LIMIT ?`,
      [...parameters, limit],
    );
    return rows.map((row) => ({
      hostId: row.host_id,
      generation: row.generation,
      friendlyName: row.friendly_name,
      ipAddress: row.ip_address,
      lastHeartbeatAt: row.last_heartbeat_at?.toISOString() ?? null,
      blockedBy:
        checkProtectedMachines({
          protectedMachineCount: row.protected_machine_count,
          protectedMachinesUnknown: row.protected_machines_unknown === 1,
        })?.code ?? null,
    }));
  }

  async remaining(filter: FleetFilter, afterHostId: string, max: number): Promise<number> {
    const { sql, parameters, id } = await this.disconnectedMatching(filter);
    const [row] = await this.database.rows<{ entries: number }>(
      `SELECT COUNT(*) AS entries FROM (SELECT ${id} ${sql} AND ${id} > ? LIMIT ?) AS counted`,
      [...parameters, afterHostId, max],
    );
    return row?.entries ?? 0;
  }

  /** Tables and conditions, starting with the condition that has the fewest matches; `id` is the host id of the driving table. */
  private async disconnectedMatching(filter: FleetFilter): Promise<SqlFragment & { readonly id: string }> {
    const moment = await readMoment(this.database, this.clock);
    const rules = await this.versions.current();
    const conditionsOf = (of: FleetFilter) => filterConditions(of, moment, rules, this.healthWindowMs);
    const disconnected = conditionsOf({ connectionState: 'Disconnected' });
    const conditions = [...conditionsOf(filter), ...disconnected];
    const drivingTable = await chooseStart(this.database, conditions, hostIdScan(conditions));
    const from = fromClause(drivingTable, ['p', 'l', 'h']);
    return {
      sql: `${from.sql}\n        WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`,
      parameters: [...from.parameters, ...conditions.flatMap(({ parameters }) => parameters)],
      id: `${drivingTable.alias}.host_id`,
    };
  }

  async save(plan: PurgePlan): Promise<void> {
    const { planId, filter, candidates, createdBy } = plan;
    const json = { filter: JSON.stringify(filter), candidates: JSON.stringify(candidates) };
    const { sql, parameters } = PURGE_PLAN.insert([PLAIN_PLAN.toRow(plan, { id: planId, ...json })]);
    await this.database.transaction(async (transaction) => {
      await transaction.write(`${sql} ON DUPLICATE KEY UPDATE id = purge_plan.id`, parameters);
      const surplus = await transaction.rows<{ id: string }>(READ_SURPLUS_PLANS, [createdBy, MAX_PLANS_PER_CALLER]);
      if (surplus.length > 0) await transaction.write(DELETE_PLANS, [surplus.map(({ id }) => id)]);
    });
  }

  async find(planId: string): Promise<{ plan: PurgePlan; result: PlanResult | null } | null> {
    const [row] = await this.database.rows<RowOf<typeof PURGE_PLAN>>(READ_PLAN, [planId]);
    if (!row) return null;
    const plan = PLAIN_PLAN.toDomain(row, {
      planId: row.id,
      filter: parseJsonColumn<FleetFilter>(row.filter),
      candidates: parseJsonColumn<PlanCandidate[]>(row.candidates),
    });
    return { plan, result: row.result === null ? null : parseJsonColumn<PlanResult>(row.result) };
  }

  async saveResult(planId: string, result: PlanResult): Promise<PlanResult> {
    await this.database.transaction(async (transaction) => {
      if ((await transaction.rows(LOCK_UNAPPLIED_PLAN, [planId])).length === 0) return;
      await transaction.write(STORE_RESULT, [
        JSON.stringify(await mergeConcurrentPurges(transaction, planId, result)),
        planId,
      ]);
    });
    return (await this.find(planId))?.result ?? result;
  }

  async fleetSize(): Promise<number> {
    const [row] = await this.database.rows<{ entries: number }>(COUNT_ENTRIES);
    return row?.entries ?? 0;
  }
}

/** Counts as purged what this apply skipped and a concurrent apply of the same plan purged. */
async function mergeConcurrentPurges(
  transaction: Transaction,
  planId: string,
  { purged, skipped }: PlanResult,
): Promise<PlanResult> {
  if (skipped.length === 0) return { purged, skipped };
  const hostIds = skipped.map(({ hostId }) => hostId);
  const rows = await transaction.rows<RowOf<typeof TOMBSTONE>>(READ_PURGED_BY, [planId, hostIds]);
  const purgedConcurrently = new Set(rows.map(({ host_id }) => host_id));
  const others = rows.map((row) => ({
    hostId: row.host_id,
    friendlyName: row.friendly_name,
    ipAddress: row.ip_address,
    purgedAt: row.removed_at.toISOString(),
  }));
  return { purged: [...purged, ...others], skipped: skipped.filter(({ hostId }) => !purgedConcurrently.has(hostId)) };
}

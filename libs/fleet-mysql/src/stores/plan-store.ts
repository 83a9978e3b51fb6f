import {
  checkProtectedMachines,
  MAX_PLANS_PER_CALLER,
  type Clock,
  type FleetFilter,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
  type PurgePlans,
  type Version,
} from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { hostIdScan, chooseStart, fromClause } from '../queries/access-paths.js';
import { filterConditions } from '../queries/filter-conditions.js';
import type { SqlFragment } from '../queries/sql-fragment.js';
import { readMoment } from './availability-clock-store.js';
import { parseJsonColumn } from '../statements/rows.js';
import { COUNT_ENTRIES } from '../statements/counters.js';

interface CandidateRow {
  host_id: string;
  generation: number;
  friendly_name: string;
  ip_address: string;
  last_heartbeat_at: Date | null;
  protected_machine_count: number | null;
  protected_machines_unknown: number;
}

interface PlanRow {
  id: string;
  created_at: Date;
  created_by: string;
  expires_at: Date;
  filter: unknown;
  candidates: unknown;
  fleet_size: number;
  result: unknown;
}

const READ_PLAN = `
  SELECT g.id, g.created_at, g.created_by, g.expires_at, g.filter, g.candidates, g.fleet_size, g.result
    FROM purge_plan AS g
   WHERE g.id = ?`;
const INSERT_PLAN = 'INSERT INTO purge_plan SET ?';
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
const READ_PURGED_BY = `
  SELECT t.host_id, t.friendly_name, t.ip_address, t.removed_at
    FROM tombstone AS t
   WHERE t.plan_id = ? AND t.host_id IN (?)`;
/** Params: result, plan id. */
const STORE_RESULT = 'UPDATE purge_plan AS g SET g.result = ? WHERE g.id = ?';

/** Candidates, purge plans and their results. */
export class PlanStore implements PurgePlans {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly version: Version,
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
    const disconnected = filterConditions({ connectionState: 'Disconnected' }, moment, this.version);
    const conditions = [...filterConditions(filter, moment, this.version), ...disconnected];
    const drivingTable = await chooseStart(this.database, conditions, hostIdScan(conditions));
    const from = fromClause(drivingTable, ['p', 'l', 'h']);
    return {
      sql: `${from.sql}\n        WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`,
      parameters: [...from.parameters, ...conditions.flatMap(({ parameters }) => parameters)],
      id: `${drivingTable.alias}.host_id`,
    };
  }

  async save({ planId, createdAt, createdBy, expiresAt, filter, candidates, fleetSize }: PurgePlan): Promise<void> {
    const columns = {
      id: planId,
      created_at: createdAt,
      created_by: createdBy,
      expires_at: expiresAt,
      filter: JSON.stringify(filter),
      candidates: JSON.stringify(candidates),
      fleet_size: fleetSize,
    };
    await this.database.transaction(async (transaction) => {
      await transaction.write(`${INSERT_PLAN} ON DUPLICATE KEY UPDATE id = purge_plan.id`, [columns]);
      const surplus = await transaction.rows<{ id: string }>(READ_SURPLUS_PLANS, [createdBy, MAX_PLANS_PER_CALLER]);
      if (surplus.length > 0) await transaction.write(DELETE_PLANS, [surplus.map(({ id }) => id)]);
    });
  }

  async find(planId: string): Promise<{ plan: PurgePlan; result: PlanResult | null } | null> {
    const [row] = await this.database.rows<PlanRow>(READ_PLAN, [planId]);
    if (!row) return null;
    const plan: PurgePlan = {
      planId: row.id,
      filter: parseJsonColumn<FleetFilter>(row.filter),
      candidates: parseJsonColumn<PlanCandidate[]>(row.candidates),
      fleetSize: row.fleet_size,
      createdAt: row.created_at,
      createdBy: row.created_by,
      expiresAt: row.expires_at,
    };
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
  const rows = await transaction.rows<{ host_id: string; friendly_name: string; ip_address: string; removed_at: Date }>(
    READ_PURGED_BY,
    [planId, skipped.map(({ hostId }) => hostId)],
  );
  const purgedConcurrently = new Set(rows.map(({ host_id }) => host_id));
  const others = rows.map((row) => ({
    hostId: row.host_id,
    friendlyName: row.friendly_name,
    ipAddress: row.ip_address,
    purgedAt: row.removed_at.toISOString(),
  }));
  return { purged: [...purged, ...others], skipped: skipped.filter(({ hostId }) => !purgedConcurrently.has(hostId)) };
}

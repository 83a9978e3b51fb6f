import { describe, expect, it } from '@jest/globals';
import {
  checkPlanApplicable,
  MAX_PLAN_SIZE,
  type ApplyPlanCommand,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
} from './purge-plan.js';
import { PurgePlanner } from './purge-planner.js';
import { FleetError } from '../fleet-error.js';
import type { FleetFilter } from '../fleet-filter.js';
import {
  Identifiers,
  PurgePlans,
  Registry,
  type Decision,
  type LockedRecord,
  type PossibleDuplicate,
} from '../ports.js';
import { NO_REPORT } from '../health/health.js';
import type { HostRecord } from '../process-server.js';
import {
  AN_OPERATOR,
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  AVAILABLE_AT_NOON,
  msAfter,
  NOON,
} from '../testing/examples.js';

const candidate = (number: number): PlanCandidate => ({
  hostId: `host-${number}`,
  generation: 3,
  friendlyName: 'ps-berlin-1',
  ipAddress: '192.0.2.11',
  lastHeartbeatAt: null,
  blockedBy: null,
});
const candidates = (count: number): PlanCandidate[] => Array.from({ length: count }, (_, number) => candidate(number));

const aPlan = (count: number, fleetSize = 100): PurgePlan => ({
  planId: 'plan-1',
  filter: { connectionState: 'Disconnected' },
  candidates: candidates(count),
  fleetSize,
  createdAt: msAfter(NOON, -60_000),
  createdBy: 'anna',
  expiresAt: msAfter(NOON, 840_000),
});

const aCommand = (over: Partial<ApplyPlanCommand> = {}): ApplyPlanCommand => ({
  expectedCount: 1,
  reason: 'scrapped',
  acknowledgeShare: false,
  force: false,
  actor: AN_OPERATOR,
  ...over,
});

describe('a purge plan', () => {
  it.each([
    [-1, null],
    [0, 'plan_expired'],
    [1, 'plan_expired'],
  ])('applied %d ms after its expiry is rejected: %s', (lateMs, code) => {
    const plan = aPlan(1);
    expect(checkPlanApplicable(plan, aCommand(), msAfter(plan.expiresAt, lateMs))?.code ?? null).toBe(code);
  });

  it.each([
    [2, null],
    [1, { code: 'plan_count_mismatch', expected: 1, planned: 2 }],
    [3, { code: 'plan_count_mismatch', expected: 3, planned: 2 }],
    [0, { code: 'plan_count_mismatch', expected: 0, planned: 2 }],
  ])('of two candidates, applied with expectedCount %d, is rejected: %j', (expectedCount, rejection) => {
    expect(checkPlanApplicable(aPlan(2), aCommand({ expectedCount }), NOON)).toEqual(rejection);
  });

  it.each(['', '  '])('applied without a reason (%j) is rejected', (reason) => {
    expect(checkPlanApplicable(aPlan(1), aCommand({ reason }), NOON)).toEqual({ code: 'reason_required' });
  });

  it.each([
    [15, 100, false],
    [16, 100, true],
    [10, 10, false],
    [11, 11, true],
    [10, 20, false],
    [11, 73, true],
    [11, 74, false],
    [150, 1_000, false],
    [151, 1_000, true],
    [11, 0, true],
    [0, 0, false],
  ])('of %d in a fleet of %d needs a second confirmation: %s', (count, fleetSize, needed) => {
    const command = aCommand({ expectedCount: count });
    expect(checkPlanApplicable(aPlan(count, fleetSize), command, NOON)).toEqual(
      needed ? { code: 'share_not_acknowledged', candidates: count, fleetSize } : null,
    );
    expect(checkPlanApplicable(aPlan(count, fleetSize), { ...command, acknowledgeShare: true }, NOON)).toBeNull();
  });
});

/** A registry of a few records, in memory. */
class SmallFleet extends Registry {
  failsAt: string | null = null;
  constructor(readonly records: Map<string, HostRecord>) {
    super();
  }

  override async change<A>(hostId: string, decide: (locked: LockedRecord) => Decision<A>): Promise<A> {
    if (hostId === this.failsAt) throw new FleetError({ code: 'database_unavailable' });
    const { result, change } = decide(await this.find(hostId));
    if (change?.write.to === 'removed') this.records.set(hostId, { entry: null, tombstone: change.write.tombstone });
    return result;
  }

  override async find(hostId: string): Promise<LockedRecord> {
    return {
      entry: null,
      tombstone: null,
      ...this.records.get(hostId),
      at: NOON,
      availableMs: AVAILABLE_AT_NOON,
      generationFloor: 0,
    };
  }

  override async findPossibleDuplicates(): Promise<PossibleDuplicate[]> {
    return [];
  }

  override async recordRejection(): Promise<void> {}
}

class PlansInMemory extends PurgePlans {
  readonly saved = new Map<string, { plan: PurgePlan; result: PlanResult | null }>();
  matching: PlanCandidate[] = [];
  size = 1_000;

  override async candidates(_filter: FleetFilter, limit: number): Promise<PlanCandidate[]> {
    return this.matching.slice(0, limit);
  }

  override async remaining(_filter: FleetFilter, afterHostId: string, max: number): Promise<number> {
    return Math.min(max, this.matching.length - 1 - this.matching.findIndex(({ hostId }) => hostId === afterHostId));
  }

  override async save(plan: PurgePlan): Promise<void> {
    this.saved.set(plan.planId, { plan, result: null });
  }

  override async find(planId: string): Promise<{ plan: PurgePlan; result: PlanResult | null } | null> {
    return this.saved.get(planId) ?? null;
  }

  override async saveResult(planId: string, result: PlanResult): Promise<PlanResult> {
    const existing = this.saved.get(planId);
    if (!existing) return result;
    this.saved.set(planId, { ...existing, result: existing.result ?? result });
    return existing.result ?? result;
  }

  override async fleetSize(): Promise<number> {
    return this.size;
  }
}

class CountedIdentifiers extends Identifiers {
  private issued = 0;
  override newId(): string {
    return `id-${(this.issued += 1)}`;
  }
  override deterministicId(key: string): string {
    return key;
  }
  override digest(text: string): string {
    return text;
  }
}

function planner(records: Record<string, HostRecord> = {}) {
  const plans = new PlansInMemory();
  const fleet = new SmallFleet(new Map(Object.entries(records)));
  const planning = new PurgePlanner(plans, fleet, { now: () => NOON, monotonicMs: () => 0 }, new CountedIdentifiers());
  return { plans, fleet, planning };
}

const rejectionOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof FleetError ? error.details : error),
  );

describe('planning a purge', () => {
  it('rejects an empty filter', async () => {
    expect(await rejectionOf(planner().planning.plan({}, 'anna'))).toEqual({ code: 'empty_filter' });
  });

  it.each([
    [999, 999, 0],
    [1_000, 1_000, 0],
    [1_001, 1_000, 1],
    [5_000, 1_000, 4_000],
    [11_000, 1_000, 10_000],
    [12_000, 1_000, 10_000],
  ])('with %d entries has %d candidates and %d remaining', async (count, planned, remain) => {
    const { plans, planning } = planner();
    plans.matching = candidates(count);
    const { plan, remaining } = await planning.plan({ connectionState: 'Disconnected' }, 'anna');
    expect([plan.candidates.length, remaining]).toEqual([planned, remain]);
    expect(plans.saved.size).toBe(1);
    expect(MAX_PLAN_SIZE).toBe(1_000);
  });

  it('creates a plan that expires after 15 minutes', async () => {
    const { plans, planning } = planner();
    plans.matching = candidates(2);
    const { plan } = await planning.plan({ connectionState: 'Disconnected' }, 'anna');
    expect(plan).toMatchObject({
      planId: 'id-1',
      candidates: candidates(2),
      createdAt: NOON,
      createdBy: 'anna',
      expiresAt: msAfter(NOON, 900_000),
    });
    expect(plans.saved.get('id-1')).toEqual({ plan, result: null });
  });
});

describe('applying a plan', () => {
  const RECORDS: Record<string, HostRecord> = {
    'host-0': { entry: aDisconnectedServer({ hostId: 'host-0' }), tombstone: null },
    'host-1': { entry: aProcessServer({ hostId: 'host-1' }), tombstone: null },
    'host-2': { entry: aDisconnectedServer({ hostId: 'host-2', generation: 4 }), tombstone: null },
    'host-3': { entry: null, tombstone: aTombstone({ hostId: 'host-3', removal: 'clean_up' }) },
  };

  async function planned() {
    const parts = planner(RECORDS);
    parts.plans.matching = candidates(5);
    const { plan } = await parts.planning.plan({ connectionState: 'Disconnected' }, 'anna');
    return { ...parts, planId: plan.planId };
  }

  it('checks each entry again, and returns the code of each skipped one', async () => {
    const { planning, fleet, planId } = await planned();
    expect(await planning.apply(planId, aCommand({ expectedCount: 5 }))).toEqual({
      purged: [
        { hostId: 'host-0', friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11', purgedAt: NOON.toISOString() },
      ],
      skipped: [
        { hostId: 'host-1', code: 'process_server_connected' },
        { hostId: 'host-2', code: 'generation_superseded' },
        { hostId: 'host-3', code: 'generation_retired' },
        { hostId: 'host-4', code: 'process_server_not_found' },
      ],
    });
    expect(fleet.records.get('host-0')?.tombstone).toMatchObject({
      removal: 'purge',
      planId,
      reason: 'scrapped',
      removedBy: 'anna',
    });
  });

  it.each([
    [false, ['machines_protected', 'process_server_connected'], null],
    [true, ['process_server_connected'], 'purged'],
  ])('with force %s skips %j', async (force, codes, removal) => {
    const { planning, fleet, planId } = await planned();
    const health = { ...NO_REPORT, protectedMachineCount: 2 };
    fleet.records.clear();
    fleet.records.set('host-0', { entry: aDisconnectedServer({ hostId: 'host-0', health }), tombstone: null });
    fleet.records.set('host-1', { entry: aProcessServer({ hostId: 'host-1', health }), tombstone: null });
    const { skipped } = await planning.apply(planId, aCommand({ expectedCount: 5, force }));
    expect(
      skipped
        .map(({ code }) => code)
        .filter((code) => code !== 'process_server_not_found')
        .sort(),
    ).toEqual(codes);
    expect(fleet.records.get('host-0')?.tombstone ? 'purged' : null).toBe(removal);
  });

  it('a second time returns the stored result, whatever the second command', async () => {
    const { planning, planId } = await planned();
    const first = await planning.apply(planId, aCommand({ expectedCount: 5 }));
    expect(await planning.apply(planId, aCommand({ expectedCount: 77, reason: '' }))).toEqual(first);
  });

  it('twice concurrently returns the same result', async () => {
    const { planning, planId } = await planned();
    const [one, other] = await Promise.all([
      planning.apply(planId, aCommand({ expectedCount: 5 })),
      planning.apply(planId, aCommand({ expectedCount: 5 })),
    ]);
    expect(one).toEqual(other);
    expect(one?.purged).toHaveLength(1);
  });

  it('after a database error completes with the next attempt, which returns all purges of the plan', async () => {
    const { planning, fleet, plans, planId } = await planned();
    fleet.failsAt = 'host-4';
    expect(await rejectionOf(planning.apply(planId, aCommand({ expectedCount: 5 })))).toEqual({
      code: 'database_unavailable',
    });
    expect(plans.saved.get(planId)?.result).toBeNull();
    fleet.failsAt = null;
    const result = await planning.apply(planId, aCommand({ expectedCount: 5 }));
    expect(result.purged.map(({ hostId }) => hostId)).toEqual(['host-0']);
  });

  it('that is unknown or not applicable purges nothing', async () => {
    const { planning, fleet, plans, planId } = await planned();
    plans.size = 30;
    expect(await rejectionOf(planning.apply('another', aCommand()))).toEqual({ code: 'plan_not_found' });
    expect(await rejectionOf(planning.apply(planId, aCommand({ expectedCount: 4 })))).toMatchObject({
      code: 'plan_count_mismatch',
    });
    expect(fleet.records.get('host-0')?.entry).not.toBeNull();
  });
});

import type {
  ApplyPurgeResponse,
  PurgeCandidate,
  PurgePlanRequest,
  PurgePlanResponse,
  PurgeResponse,
  SkippedCandidate,
} from '@app/api-contract';
import { CliError, EXIT_CODES, type ExitCode } from '@app/cli';
import { confirmChange } from './confirmation.js';
import type { Invocation } from './invocation.js';
import type { DocumentView } from './output/printer.js';
import { Table, type Column, type TableOptions } from './output/table.js';

/** The server counts further candidates up to this number. */
const MAX_REMAINING = 10_000;

const CANDIDATE_COLUMNS: readonly Column<PurgeCandidate>[] = [
  { header: 'NAME', cell: ({ friendlyName }) => friendlyName, cut: true },
  { header: 'IP ADDRESS', cell: ({ ipAddress }) => ipAddress, drop: 1 },
  { header: 'LAST HEARTBEAT', cell: ({ lastHeartbeatAt }) => lastHeartbeatAt ?? 'never', drop: 3 },
  { header: 'BLOCKED BY', cell: ({ blockedBy }) => blockedBy, style: ({ blockedBy }) => (blockedBy ? 'yellow' : null) },
  { header: 'HOST ID', cell: ({ hostId }) => hostId, drop: 2 },
  { header: 'GENERATION', cell: ({ generation }) => generation, wide: true },
];

const planLines = ({ candidates, remaining }: PurgePlanResponse, table: TableOptions): string[] =>
  candidates.length === 0
    ? ['No process server matches.']
    : [
        ...new Table(CANDIDATE_COLUMNS, table).lines(candidates, ''),
        `${countText({ candidates, remaining })} candidates`,
      ];

const PLAN: DocumentView<PurgePlanResponse> = { name: ({ planId }) => planId, lines: planLines };

type Outcome = { readonly hostId: string; readonly name: string; readonly address: string; readonly result: string };

const OUTCOME_COLUMNS: readonly Column<Outcome>[] = [
  { header: 'NAME', cell: ({ name }) => name, cut: true },
  { header: 'IP ADDRESS', cell: ({ address }) => address, drop: 1 },
  { header: 'RESULT', cell: ({ result }) => result, style: ({ result }) => (result === 'purged' ? 'green' : 'yellow') },
  { header: 'HOST ID', cell: ({ hostId }) => hostId, drop: 2 },
];

/** `--dry-run` */
export async function showPlan({ client, printer, terminal }: Invocation, filter: PurgePlanRequest): Promise<void> {
  const plan = await client.planPurge(filter);
  await printer.document(plan, PLAN);
  if (plan.candidates.length === 0) return;
  terminal.say(
    plan.remaining < MAX_REMAINING
      ? `To purge them, repeat with --apply --expect ${countOf(plan)} --reason REASON instead of --dry-run.`
      : 'The server counts no further. Narrow the filter, or count them with csctl list --connection-state Disconnected -o name.',
  );
}

/** `--apply`: plan after plan, each of at most 1,000 candidates, until the expected number is done. */
export async function applyPlans(invocation: Invocation, filter: PurgePlanRequest): Promise<ExitCode> {
  const { client, terminal, signal } = invocation;
  const force = invocation.flag('force');
  const reason = invocation.text('reason');
  if (reason === undefined) throw invocation.usageError('--reason is missing: every removal is in the audit log.');
  const expected = invocation.integer('expect', 0, 100_000_000);
  if (expected === undefined) throw invocation.usageError('--expect is missing: the number that --dry-run showed.');

  let plan = await client.planPurge(filter);
  assertExpected(plan, expected, 0);
  terminal.say(...planLines(plan, { width: terminal.width, isWide: false, paint: (_style, text) => text }));
  if (plan.candidates.length > 0) await confirmChange(invocation, `Purge ${countText(plan)} process servers?`);

  const run = new PlanRun(expected);
  try {
    while (plan.candidates.length > 0 && !signal.aborted) {
      const fresh = plan.candidates.filter(({ hostId }) => !run.isDone(hostId));
      if (fresh.length === 0) break; // all that is left was skipped before
      assertExpected({ candidates: fresh, remaining: plan.remaining }, expected, run.count);
      const result = await invocation.steadyClient.applyPurge(plan.planId, {
        expectedCount: plan.candidates.length,
        reason,
        ...(force && { force }),
        // The share was acknowledged for the whole: a later slice is a larger share of a smaller fleet.
        ...((invocation.flag('acknowledge-share') || run.count > 0) && { acknowledgeShare: true }),
      });
      run.add(plan.candidates, result);
      terminal.progress(`${run.count} of ${expected}: ${run.purged.length} purged, ${run.skipped.length} skipped`);
      if (plan.remaining === 0 || signal.aborted) break;
      plan = await invocation.steadyClient.planPurge(filter);
    }
  } catch (error) {
    // Nothing is printed on stdout if nothing was purged, as for every other command that fails.
    if (run.count > 0) await report(invocation, run);
    throw error;
  }
  await report(invocation, run);
  if (run.count < expected && signal.aborted) {
    terminal.say(`Interrupted. To go on: repeat with --expect ${expected - run.purged.length}`);
    return EXIT_CODES.interrupted;
  }
  if (run.count < expected)
    terminal.say(`${expected - run.count} fewer than expected: they came back, or are behind the skipped ones.`);
  return run.skipped.length > 0 || run.count < expected ? EXIT_CODES.refused : EXIT_CODES.ok;
}

async function report({ printer, terminal }: Invocation, run: PlanRun): Promise<void> {
  terminal.endProgress();
  await printer.document<ApplyPurgeResponse>(
    { purged: run.purged, skipped: run.skipped },
    { name: () => run.purged.map(({ hostId }) => hostId).join('\n'), lines: (_result, table) => run.lines(table) },
  );
  terminal.say(run.summary());
}

/** What the plans of one command have done so far. */
class PlanRun {
  readonly purged: PurgeResponse[] = [];
  skipped: SkippedCandidate[] = [];
  private readonly done = new Map<string, PurgeCandidate>();

  constructor(private readonly expected: number) {}

  get count(): number {
    return this.done.size;
  }

  isDone(hostId: string): boolean {
    return this.done.has(hostId);
  }

  /** A candidate that was skipped is in the next plan again, and counts once. */
  add(candidates: readonly PurgeCandidate[], { purged, skipped }: ApplyPurgeResponse): void {
    this.purged.push(...purged);
    const inThisPlan = new Set(candidates.map(({ hostId }) => hostId));
    this.skipped = [...this.skipped.filter(({ hostId }) => !inThisPlan.has(hostId)), ...skipped];
    for (const candidate of candidates) this.done.set(candidate.hostId, candidate);
  }

  lines(options: TableOptions): string[] {
    const outcomes = [
      ...this.purged.map(({ hostId }) => this.outcome(hostId, 'purged')),
      ...this.skipped.map(({ hostId, code }) => this.outcome(hostId, `skipped: ${code}`)),
    ];
    return outcomes.length === 0 ? ['Nothing was purged.'] : new Table(OUTCOME_COLUMNS, options).lines(outcomes, '');
  }

  summary(): string {
    return `${this.purged.length} of ${this.expected} purged, ${this.skipped.length} skipped.`;
  }

  private outcome(hostId: string, result: string): Outcome {
    const { friendlyName: name = '-', ipAddress: address = '-' } = this.done.get(hostId) ?? {};
    return { hostId, name, address, result };
  }
}

type Counted = Pick<PurgePlanResponse, 'candidates' | 'remaining'>;

const countOf = ({ candidates, remaining }: Counted): number => candidates.length + remaining;

/** The server counts no further than `MAX_REMAINING`. */
const countText = (plan: Counted): string =>
  plan.remaining >= MAX_REMAINING ? `At least ${countOf(plan)}` : String(countOf(plan));

/** @throws CliError if there are more or fewer candidates than a person has seen. */
function assertExpected(plan: Counted, expected: number, done: number): void {
  const count = countOf(plan) + done;
  // Some may have come back since; a later slice must not grow beyond what a person has seen.
  const agrees = done > 0 || plan.remaining >= MAX_REMAINING ? count <= expected : count === expected;
  if (agrees) return;
  throw new CliError(
    EXIT_CODES.refused,
    `There are ${countText(plan)} candidates${done > 0 ? ' left' : ''}, not ${expected}: ${done > 0 ? `${done} are done, the others were not purged` : 'nothing was purged'}.`,
    'Look at them again: --dry-run',
  );
}

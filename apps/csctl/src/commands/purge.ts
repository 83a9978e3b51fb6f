import type { PurgeResponse } from '@app/api-contract';
import { assertUnchanged, confirmChange, described } from '../confirmation.js';
import { filterOf } from '../filters.js';
import { resolveHost } from '../hosts.js';
import type { Invocation } from '../invocation.js';
import type { DocumentView } from '../output/printer.js';
import type { ExitCode } from '@app/cli';

const PURGED: DocumentView<PurgeResponse> = {
  name: ({ hostId }) => hostId,
  lines: ({ friendlyName, ipAddress, hostId }) => [`Purged ${friendlyName} (${ipAddress}), host id ${hostId}`],
};

export async function run(invocation: Invocation): Promise<ExitCode | void> {
  const host = invocation.argument(0);
  const filter = {
    ...filterOf(invocation),
    ...(invocation.flag('never-connected') && { neverConnected: true as const }),
  };
  const hasFilter = Object.keys(filter).length > 0;
  const ofPlans = ['dry-run', 'apply', 'acknowledge-share'].find((name) => invocation.flag(name));
  if (host !== undefined) {
    if (hasFilter || ofPlans || invocation.text('expect') !== undefined)
      throw invocation.usageError(
        'Filters, --dry-run, --apply and --expect are for many: leave them out, or leave out HOST.',
      );
    return purgeOne(invocation, host);
  }
  if (!hasFilter) throw invocation.usageError('Name a HOST, or at least one filter such as --silent-for 7d.');
  if (invocation.flag('dry-run') === invocation.flag('apply'))
    throw invocation.usageError('With filters, give either --dry-run or --apply.');
  const { applyPlans, showPlan } = await import('../purge-plans.js');
  return invocation.flag('dry-run') ? showPlan(invocation, filter) : applyPlans(invocation, filter);
}

async function purgeOne(invocation: Invocation, host: string): Promise<void> {
  const reason = invocation.text('reason');
  if (reason === undefined) throw invocation.usageError('--reason is missing: every removal is in the audit log.');
  const seen = await resolveHost(invocation, host);
  const { hostId, generation, connectionState, lifecycle } = seen;
  const force = invocation.flag('force');
  const state = lifecycle === 'Decommissioned' ? lifecycle : connectionState;
  await confirmChange(invocation, `Purge ${described(seen)}, which is ${state}${force ? ', with force' : ''}?`);
  // With force, the server would remove one that came back while the question was open.
  if (!invocation.flag('yes')) await assertUnchanged(invocation, seen);
  await invocation.printer.document(
    await invocation.steadyClient.purge(hostId, { generation, reason, ...(force && { force }) }),
    PURGED,
  );
}

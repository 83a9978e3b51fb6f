import type { DecommissionResponse } from '@app/api-contract';
import { confirmChange, described } from '../confirmation.js';
import { resolveHost } from '../hosts.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const seen = await resolveHost(invocation, invocation.argument(0) ?? '');
  const { hostId, generation } = seen;
  const reason = invocation.text('reason') ?? '';
  const force = invocation.flag('force');
  await confirmChange(invocation, `Decommission ${described(seen)}${force ? ', with force' : ''}?`);
  const response = await invocation.steadyClient.decommission(hostId, { generation, reason, ...(force && { force }) });
  await invocation.printer.document<DecommissionResponse>(response, {
    name: () => hostId,
    lines: ({ removeBy }) => [`Decommissioned ${described(seen)}; it is removed by ${removeBy}`],
  });
}

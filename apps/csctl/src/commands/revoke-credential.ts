import type { RevokeCredentialResponse } from '@app/api-contract';
import { confirmChange, described } from '../confirmation.js';
import { resolveHost } from '../hosts.js';
import type { Invocation } from '../invocation.js';

export async function run(invocation: Invocation): Promise<void> {
  const seen = await resolveHost(invocation, invocation.argument(0) ?? '');
  const { hostId, generation } = seen;
  const reason = invocation.text('reason') ?? '';
  await confirmChange(invocation, `Revoke the credential of ${described(seen)}?`);
  const response = await invocation.steadyClient.revokeCredential(hostId, { generation, reason });
  await invocation.printer.document<RevokeCredentialResponse>(response, {
    name: () => hostId,
    lines: () => [`Revoked the credential of ${described(seen)}; it has to register again`],
  });
}

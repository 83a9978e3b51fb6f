import type { ApiKeyRequest } from '@app/api-contract';
import { timeAheadOf } from '../filters.js';
import type { Invocation } from '../invocation.js';
import { createSecret } from '../secret-output.js';

export async function run(invocation: Invocation): Promise<void> {
  const expiresAt = timeAheadOf(invocation, 'expires');
  const body: ApiKeyRequest = {
    name: invocation.argument(0) ?? '',
    role: invocation.text('role') as ApiKeyRequest['role'],
    ...(expiresAt !== undefined && { expiresAt }),
  };
  const { created, isShown } = await createSecret(
    invocation,
    () => {
      invocation.announceChange();
      return invocation.steadyClient.createApiKey(body);
    },
    ({ key }) => `${key}\n`,
  );
  const { key, ...apiKey } = created;
  await invocation.printer.document({ ...apiKey, ...(isShown && { key }) }, { name: ({ keyId }) => keyId });
}

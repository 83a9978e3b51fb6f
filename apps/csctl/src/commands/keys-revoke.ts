import type { ApiKeyDto } from '@app/api-contract';
import { CliError, EXIT_CODES } from '@app/cli';
import { confirmChange } from '../confirmation.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';

export async function run(invocation: Invocation): Promise<void> {
  const { keyId, name, role } = await findKey(invocation, invocation.argument(0) ?? '');
  await confirmChange(invocation, `Revoke the ${role} key ${name}?`);
  await invocation.printer.document(await invocation.steadyClient.revokeApiKey(keyId), { name: (key) => key.keyId });
}

async function findKey({ client }: Invocation, wanted: string): Promise<ApiKeyDto> {
  for await (const { items } of pages((page) => client.apiKeys(page))) {
    const found = items.find(({ keyId, name }) => keyId === wanted.toLowerCase() || name === wanted.normalize('NFC'));
    if (found) return found;
  }
  throw new CliError(EXIT_CODES.notFound, `There is no API key "${wanted}".`, 'List the keys: csctl keys list');
}

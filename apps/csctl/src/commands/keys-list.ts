import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';
import { API_KEYS } from '../administration-views.js';

export async function run({ client, printer }: Invocation): Promise<void> {
  await printer.list(
    pages((page) => client.apiKeys(page)),
    API_KEYS,
  );
}

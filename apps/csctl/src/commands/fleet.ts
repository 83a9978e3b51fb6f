import type { Invocation } from '../invocation.js';
import { FLEET } from '../views.js';

export async function run({ client, printer }: Invocation): Promise<void> {
  await printer.document(await client.fleet(), FLEET);
}

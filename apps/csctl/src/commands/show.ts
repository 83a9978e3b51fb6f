import { resolveHost } from '../hosts.js';
import type { Invocation } from '../invocation.js';
import { PROCESS_SERVER } from '../views.js';

export async function run(invocation: Invocation): Promise<void> {
  await invocation.printer.document(await resolveHost(invocation, invocation.argument(0) ?? ''), PROCESS_SERVER);
}

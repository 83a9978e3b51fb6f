import { UPGRADES } from '../administration-views.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';

export async function run(invocation: Invocation): Promise<void> {
  const { client, printer } = invocation;
  const target = invocation.text('target');
  const query = target === undefined ? {} : { target };
  await printer.list(
    pages((page) => client.upgradeReadiness({ ...query, ...page })),
    UPGRADES,
  );
}

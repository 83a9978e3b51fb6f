import { CAPACITIES } from '../administration-views.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';

export async function run(invocation: Invocation): Promise<void> {
  const { client, printer } = invocation;
  const churnBytesPerDay = invocation.integer('churn-bytes-per-day', 0, 999_999_999_999_999);
  const query = churnBytesPerDay === undefined ? {} : { churnBytesPerDay };
  await printer.list(
    pages((page) => client.capacity({ ...query, ...page })),
    CAPACITIES,
  );
}

import type { ListProcessServersQuery } from '@app/api-contract';
import { filterOf } from '../filters.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';
import { PROCESS_SERVERS } from '../views.js';

export async function run(invocation: Invocation): Promise<void> {
  const { client, printer } = invocation;
  const query = {
    ...filterOf(invocation),
    connectionState: invocation.text('connection-state'),
    sort: invocation.text('sort'),
  } as ListProcessServersQuery;
  const limit = invocation.integer('limit', 1, 100_000_000);
  await printer.list(
    pages((page) => client.processServers({ ...query, ...page }), limit),
    PROCESS_SERVERS,
  );
}

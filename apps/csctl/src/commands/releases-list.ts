import type { ListReleasesQuery } from '@app/api-contract';
import { RELEASES } from '../administration-views.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';

export async function run(invocation: Invocation): Promise<void> {
  const { client, printer } = invocation;
  const query = { component: invocation.text('component'), osType: invocation.text('os-type') } as ListReleasesQuery;
  await printer.list(
    pages((page) => client.releases({ ...query, ...page })),
    RELEASES,
  );
}

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { TestCluster } from '../support/test-cluster.js';

interface Page {
  readonly items: { readonly hostId: string; readonly friendlyName: string }[];
  readonly nextCursor: string | null;
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());

it('a walk by name shows each entry exactly once, although entries are renamed, again and again, between its pages', async () => {
  const servers = [];
  for (let number = 0; number < 12; number += 1)
    servers.push(await cluster.registered({ friendlyName: `name-${String(number).padStart(2, '0')}` }));
  await cluster.advance(15);
  const seen: string[] = [];
  let cursor: string | null = null;
  let page = 0;
  do {
    const url: string = `/v1/process-servers?sort=friendlyName&limit=2${cursor ? `&cursor=${cursor}` : ''}`;
    const { body } = await cluster.read<Page>(url);
    seen.push(...body.items.map(({ hostId }) => hostId));
    cursor = body.nextCursor;
    page += 1;
    // The first goes behind all others, the last before them, and one is renamed on every page.
    await cluster.registered({ friendlyName: `zz-${page}` }, servers[0]?.hostId);
    await cluster.registered({ friendlyName: `aa-${page}` }, servers[11]?.hostId);
    await cluster.registered({ friendlyName: `name-${page % 2 ? '99' : '00'}` }, servers[5]?.hostId);
    await cluster.advance(5 * (page % 3));
  } while (cursor);
  expect([...seen].sort()).toEqual(servers.map(({ hostId }) => hostId).sort());
});

it('a rename counts for the order once it has settled, and is shown at once', async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
  const first = await cluster.registered({ friendlyName: 'a' });
  const second = await cluster.registered({ friendlyName: 'b' });
  await cluster.registered({ friendlyName: 'c' }, first.hostId);
  const names = async (): Promise<string[]> =>
    (await cluster.read<Page>('/v1/process-servers?sort=friendlyName')).body.items.map(
      ({ friendlyName }) => friendlyName,
    );
  expect(await names()).toEqual(['c', 'b']);
  await cluster.advance(10);
  expect(await names()).toEqual(['b', 'c']);
  expect(second.generation).toBe(1);
});

it('a cursor of a walk by name is refused after an hour', async () => {
  const { body } = await cluster.read<Page>('/v1/process-servers?sort=friendlyName&limit=1');
  await cluster.simulateOutage(3_601);
  const late = await cluster.read<{ code: string }>(
    `/v1/process-servers?sort=friendlyName&limit=1&cursor=${body.nextCursor}`,
  );
  expect([late.status, late.body.code]).toEqual([400, 'invalid_cursor']);
});

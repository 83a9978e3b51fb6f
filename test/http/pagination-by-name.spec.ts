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

it('pagination by name returns each entry exactly once, although entries are renamed repeatedly between the pages', async () => {
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
    // The first entry moves behind all others, the last before them, and each page has one rename.
    await cluster.registered({ friendlyName: `zz-${page}` }, servers[0]?.hostId);
    await cluster.registered({ friendlyName: `aa-${page}` }, servers[11]?.hostId);
    await cluster.registered({ friendlyName: `name-${page % 2 ? '99' : '00'}` }, servers[5]?.hostId);
    await cluster.advance(5 * (page % 3));
  } while (cursor);
  expect([...seen].sort()).toEqual(servers.map(({ hostId }) => hostId).sort());
});

it('a rename is shown at once, and changes the order after the visibility delay', async () => {
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

it('a cursor of pagination by name is rejected after an hour', async () => {
  const { body } = await cluster.read<Page>('/v1/process-servers?sort=friendlyName&limit=1');
  await cluster.simulateOutage(3_601);
  const late = await cluster.read<{ code: string }>(
    `/v1/process-servers?sort=friendlyName&limit=1&cursor=${body.nextCursor}`,
  );
  expect([late.status, late.body.code]).toEqual([400, 'invalid_cursor']);
});

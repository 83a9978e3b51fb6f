import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ClusterSite, NO_FAULTS } from './cluster-site.js';
import { MixedLoad } from './mixed-load.js';

const LOAD_MS = 20_000;

let site: ClusterSite;
beforeAll(async () => {
  site = await ClusterSite.open([0, 1]);
});
afterAll(() => site.close());

it('a mixture of calls on few hosts through both replicas leaves exactly what was acknowledged', async () => {
  const load = new MixedLoad(site, 6);
  await load.run(10, LOAD_MS);
  console.log(`${load.ledger.length} calls: ${load.statuses}`);
  expect(await load.disagreements()).toEqual([]);
  expect(await site.faults()).toEqual(NO_FAULTS);
  expect(load.ledger.filter(({ status }) => status === 0 || status >= 500)).toEqual([]);
});

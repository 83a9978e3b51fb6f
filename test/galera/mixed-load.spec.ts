import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ProgramCluster, NO_VIOLATIONS } from './program-cluster.js';
import { MixedLoad } from './mixed-load.js';

const LOAD_MS = 20_000;

let cluster: ProgramCluster;
beforeAll(async () => {
  cluster = await ProgramCluster.open([0, 1]);
});
afterAll(() => cluster.close());

it('mixed calls on few hosts through both replicas result exactly in the acknowledged state', async () => {
  const load = new MixedLoad(cluster, 6);
  await load.run(10, LOAD_MS);
  console.log(`${load.ledger.length} calls: ${load.statuses}`);
  expect(await load.disagreements()).toEqual([]);
  expect(await cluster.violations()).toEqual(NO_VIOLATIONS);
  expect(load.ledger.filter(({ status }) => status === 0 || status >= 500)).toEqual([]);
});

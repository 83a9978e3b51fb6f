import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { TestCluster } from '../support/test-cluster.js';
import { ModelRun, someActions } from './model-run.js';

jest.setTimeout(600_000);

const { MODEL_RUNS = '8', MODEL_PATH, MODEL_SHRINK = '1' } = process.env;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());

it('behaves like the model for random sequences of actions, with two replicas on one database', async () => {
  process.stdout.write(`model: ${MODEL_RUNS} runs; SEED=${jest.getSeed()} repeats them\n`);
  const property = fc.asyncProperty(someActions, (actions) => ModelRun.of(cluster, actions));
  await fc.assert(property, {
    numRuns: Number(MODEL_RUNS),
    ...(MODEL_PATH && { path: MODEL_PATH }),
    endOnFailure: MODEL_SHRINK === '0',
  });
  process.stdout.write(
    `model: ${[...ModelRun.outcomes].map(([outcome, times]) => `${outcome} ${times}`).join(', ')}\n`,
  );
  expect(cluster.log.filter((line) => line.includes('"level":50'))).toEqual([]);
});

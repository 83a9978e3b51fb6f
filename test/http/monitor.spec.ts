import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseMetrics } from '../support/metrics-text.js';
import { TestCluster } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());

const readiness = async (): Promise<unknown> => (await cluster.call('GET', '/health/ready')).body;
const lag = async (): Promise<number | undefined> => {
  const { text } = (await cluster.call<{ text: string }>('GET', '/metrics')).body;
  return parseMetrics(text).find(({ name }) => name === 'cs_monitor_lag_seconds')?.samples[0]?.value;
};
const failedRun = async (): Promise<void> => {
  await cluster.database.write('RENAME TABLE monitor_progress TO moved_progress');
  await expect(cluster.replica().monitor.run()).rejects.toThrow('monitor_progress');
  await cluster.database.write('RENAME TABLE moved_progress TO monitor_progress');
};

it.each(['no run has succeeded', 'the last run was successful'])(
  'the replica is degraded, but ready, while the monitor is over twelve intervals behind, when %s',
  async (before) => {
    if (before === 'the last run was successful') await cluster.replica().monitor.run();
    await failedRun();
    await cluster.advance(120);
    expect([await readiness(), await lag()]).toEqual([{ status: 'ready', degraded: [] }, 120]);
    await cluster.advance(1);
    await failedRun();
    const degraded = { status: 'degraded', degraded: ['monitor_overdue'] };
    expect([await readiness(), await lag()]).toEqual([degraded, 121]);
    await cluster.replica().monitor.run();
    expect([await readiness(), await lag()]).toEqual([{ status: 'ready', degraded: [] }, 0]);
  },
);

import { afterEach, expect, it, jest } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HeartbeatReceiver, KeyService } from '@app/fleet';
import { Database, KeyRingStore } from '@app/fleet-mysql';
import { AvailabilityRecorder } from '../../apps/configuration-server/src/heartbeats/availability-recorder.js';
import { Jobs } from '../../apps/configuration-server/src/site/jobs.js';
import { TestCluster } from '../support/test-cluster.js';

afterEach(() => {
  jest.restoreAllMocks();
});

const STEPS = [
  [KeyService, 'recoverRotation'],
  [AvailabilityRecorder, 'record'],
  [Jobs, 'start'],
  [HeartbeatReceiver, 'drain'],
  [Jobs, 'stop'],
  [FastifyAdapter, 'close'],
  [KeyRingStore, 'flushKeyUsage'],
  [Database, 'close'],
] as const;

/** Records the calls of these steps, in their order. */
function recordSteps(): string[] {
  const calls: string[] = [];
  for (const [type, name] of STEPS) {
    const prototype = type.prototype as unknown as Record<string, () => unknown>;
    const original = prototype[name] as () => unknown;
    jest.spyOn(prototype, name).mockImplementation(function (this: unknown) {
      calls.push(`${type.name}.${name}`);
      return original.call(this);
    });
  }
  return calls;
}

it('recovers, proves that heartbeats can be committed, then starts the jobs; drains, stops the jobs, then closes', async () => {
  const cluster = await TestCluster.open();
  const calls = recordSteps();
  const replica = cluster.replica(await cluster.addReplicaWith({ runsJobs: true }));
  expect(calls.slice(0, 3)).toEqual(['KeyService.recoverRotation', 'AvailabilityRecorder.record', 'Jobs.start']);
  calls.length = 0;
  await replica.stop();
  cluster.replicas.pop();
  expect(calls).toEqual([
    'HeartbeatReceiver.drain',
    'Jobs.stop',
    'FastifyAdapter.close',
    'KeyRingStore.flushKeyUsage',
    'Database.close',
    'Database.close',
  ]);
  await cluster.close();
});

it('starts no job and closes the databases after a start that failed', async () => {
  const cluster = await TestCluster.open();
  jest.spyOn(AvailabilityRecorder.prototype, 'record').mockRejectedValueOnce(new Error('not committed'));
  const startJobs = jest.spyOn(Jobs.prototype, 'start');
  const closeDatabase = jest.spyOn(Database.prototype, 'close');
  await expect(cluster.addReplicaWith({ runsJobs: true })).rejects.toThrow('not committed');
  expect(startJobs).not.toHaveBeenCalled();
  expect(closeDatabase).toHaveBeenCalledTimes(2);
  await cluster.close();
});

it('can be closed twice', async () => {
  const cluster = await TestCluster.open();
  const replica = cluster.replica();
  await Promise.all([replica.stop(), replica.stop()]);
  await replica.stop();
  await cluster.close();
});

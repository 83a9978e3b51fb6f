import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster } from '../support/test-cluster.js';

describe.each(['on', 'off'])('with HEARTBEAT_FAST_PATH=%s', (fastPath) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open({ settings: { HEARTBEAT_FAST_PATH: fastPath } });
  });
  afterAll(() => cluster.close());
  beforeEach(async () => {
    await cluster.database.empty();
    cluster.clock.advanceSeconds(3_600); // another hour, for limits per hour
    await cluster.recordAvailability();
  });

  const detail = async (hostId: string): Promise<Record<string, unknown>> =>
    (await cluster.read(`/v1/process-servers/${hostId}`)).body;
  const inSeconds = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();

  describe('an accepted heartbeat', () => {
    it('answers with the lease, the interval to keep, the version status, and nothing to do', async () => {
      const server = await cluster.registered();
      cluster.clock.advanceSeconds(10);
      const { status, body } = await cluster.heartbeat(server);
      expect([status, body]).toEqual([
        200,
        {
          leaseExpiresAt: inSeconds(180),
          heartbeatIntervalSeconds: 30,
          versionStatus: 'Supported',
          instruction: 'none',
        },
      ]);
      expect(await detail(server.hostId)).toMatchObject({
        lastHeartbeat: inSeconds(0),
        leaseExpiresAt: inSeconds(180),
        connectionState: 'Connected',
      });
    });

    it('without news writes no event', async () => {
      const server = await cluster.registered();
      for (let heartbeat = 0; heartbeat < 3; heartbeat += 1) await cluster.heartbeat(server);
      expect(await cluster.eventKinds(server.hostId)).toEqual(['registered']);
    });

    it('instructs a process server below the support window to upgrade', async () => {
      const server = await cluster.registered({ agentVersion: '9.50.1.1' });
      expect((await cluster.heartbeat(server, { agentVersion: '9.50.1.1' })).body).toMatchObject({
        versionStatus: 'NotSupported',
        instruction: 'upgrade',
      });
    });

    it('without a version, the registered one is judged', async () => {
      const server = await cluster.registered({ agentVersion: '9.50.1.1' });
      expect((await cluster.heartbeat(server, { agentVersion: undefined })).body).toMatchObject({
        versionStatus: 'NotSupported',
        instruction: 'upgrade',
      });
    });

    it('an upgraded agent is shown with its version, and the change is an event', async () => {
      const server = await cluster.registered({ agentVersion: '9.62.1.1' });
      await cluster.heartbeat(server, { agentVersion: '9.63.0.0' });
      await cluster.heartbeat(server, { agentVersion: '9.63.0.0' });
      expect(await detail(server.hostId)).toMatchObject({ agentVersion: '9.63.0.0' });
      expect(await cluster.eventKinds(server.hostId)).toEqual(['registered', 'version_changed']);
    });

    it('a version newer than the configuration server, which was rolled back, is accepted as NotSupported, with one event', async () => {
      const server = await cluster.registered();
      for (let heartbeat = 0; heartbeat < 2; heartbeat += 1) {
        const { status, body } = await cluster.heartbeat(server, { agentVersion: '9.64.0.0' });
        expect([status, body]).toMatchObject([200, { versionStatus: 'NotSupported', instruction: 'none' }]);
      }
      const kinds = await cluster.eventKinds(server.hostId);
      expect(kinds.filter((kind) => kind === 'version_newer_than_configuration_server')).toHaveLength(1);
    });

    it('that ends a silence leaves an event with its beginning and its end', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      const from = inSeconds(0);
      await cluster.advance(180);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Disconnected' });
      expect((await cluster.heartbeat(server)).status).toBe(200);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Connected' });
      const [event] = await cluster.database.rows<{ detail: string }>(
        "SELECT CAST(detail AS CHAR) AS detail FROM event WHERE kind = 'silence_ended'",
      );
      expect(JSON.parse(event?.detail ?? 'null')).toEqual({ from, to: inSeconds(0) });
    });

    it.each([
      [179, 'Connected'],
      [180, 'Disconnected'],
    ])('%d s later it is %s', async (seconds, connectionState) => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      await cluster.advance(seconds);
      expect(await detail(server.hostId)).toMatchObject({ connectionState });
    });

    it('a silence of ours is not its silence', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      await cluster.simulateOutage(7_200);
      expect(await detail(server.hostId)).toMatchObject({
        connectionState: 'Connected',
        leaseExpiresAt: inSeconds(165),
      });
      await cluster.advance(165);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Disconnected' });
    });

    it('what it reports is shown, with a status for each signal', async () => {
      const server = await cluster.registered();
      const load = {
        cpuPercent: 96.5,
        totalMemoryBytes: 100,
        availableMemoryBytes: 50,
        totalCacheBytes: 1_000,
        freeCacheBytes: 280,
        throughputBytesPerSecond: 1_000,
        pendingUploadBytes: 0,
      };
      const services = [{ name: 'cxprocessserver', state: 'running' }];
      await cluster.report(server, { load }, 900);
      const certificateExpiresAt = inSeconds(90 * 86_400);
      await cluster.heartbeat(server, {
        load,
        services,
        protectedMachineCount: 3,
        replicationPairCount: 5,
        churnBytesPerDay: 250_000_000_000,
        certificateExpiresAt,
        sentAt: inSeconds(-7),
        instanceId: 'a1',
      });
      expect(await detail(server.hostId)).toMatchObject({
        health: 'Critical',
        load: {
          ...load,
          reportedAt: inSeconds(0),
          cpuStatus: 'Critical',
          memoryStatus: 'Healthy',
          cacheStatus: 'Warning',
          uploadStatus: 'Healthy',
        },
        services,
        protectedMachineCount: 3,
        replicationPairCount: 5,
        churnBytesPerDay: 250_000_000_000,
        certificateExpiresAt,
        certificateRemainingDays: 90,
        clockSkewMs: -7_000,
        instanceId: 'a1',
      });
    });

    it('what it leaves out stays as it was reported', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server, { protectedMachineCount: 3 });
      await cluster.heartbeat(server);
      expect(await detail(server.hostId)).toMatchObject({ protectedMachineCount: 3 });
    });

    it('a restart of the agent is no conflict', async () => {
      const server = await cluster.registered();
      for (const instanceId of ['a1', 'a1', 'b2', 'b2'])
        expect((await cluster.heartbeat(server, { instanceId })).status).toBe(200);
    });
  });

  describe('two heartbeats at the same moment', () => {
    it('of one process server are both answered, and both are kept', async () => {
      const server = await cluster.registered();
      const responses = await Promise.all([
        cluster.heartbeat(server, { protectedMachineCount: 3 }),
        cluster.heartbeat(server, { replicationPairCount: 5 }),
      ]);
      expect(responses.map(({ status }) => status)).toEqual([200, 200]);
      expect(await detail(server.hostId)).toMatchObject({ protectedMachineCount: 3, replicationPairCount: 5 });
    });

    it('of two generations of one host id are answered each for itself', async () => {
      const old = await cluster.registered();
      const now = await cluster.registered({}, old.hostId);
      const [rejected, accepted] = await Promise.all([cluster.heartbeat(old), cluster.heartbeat(now)]);
      expectProblem(rejected, 'generation_superseded');
      expect(accepted.status).toBe(200);
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestCluster } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());

describe('the life cycle of a process server', () => {
  it('registers, sends heartbeats, unregisters, and is removed within 15 minutes', async () => {
    const server = await cluster.registered();
    expect((await cluster.heartbeat(server)).status).toBe(200);
    const { status, body } = await cluster.unregister(server);
    expect([status, body.state]).toEqual([202, 'Decommissioned']);
    expect((await cluster.heartbeat(server)).body).toMatchObject({ code: 'generation_retired', instruction: 'stop' });
    await cluster.advance(301);
    await cluster.replica().cleanUp.run();
    expect((await cluster.read(`/v1/process-servers/${server.hostId}`)).status).toBe(404);
    expect((await cluster.unregister(server)).body).toMatchObject({ code: 'generation_retired', instruction: 'stop' });
    expect(await cluster.eventKinds(server.hostId)).toEqual([
      'registered',
      'decommissioned',
      'refused_generation_retired',
      'removed',
    ]);
  });

  it('disconnects, is purged, and does not reconnect without an operator', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    expect((await cluster.purge(server.hostId, { generation: 1 })).body.code).toBe('process_server_connected');
    await cluster.advance(180);
    expect((await cluster.read(`/v1/process-servers/${server.hostId}`)).body).toMatchObject({
      connectionState: 'Disconnected',
    });
    const purged = await cluster.purge(server.hostId, { generation: 1 });
    expect(purged.status).toBe(200);
    expect((await cluster.purge(server.hostId, { generation: 1 })).body).toEqual(purged.body);
    const late = await cluster.heartbeat(server);
    expect([late.status, late.body.code, late.body.instruction]).toEqual([410, 'generation_retired', 'ask_operator']);
    const again = await cluster.registered({}, server.hostId);
    expect(again.generation).toBe(2);
    expect((await cluster.heartbeat(again)).status).toBe(200);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestSite } from '../support/test-site.js';

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open();
});
afterAll(() => site.close());

describe('the life of a process server', () => {
  it('registers, lives, leaves in order, and is gone within 15 minutes', async () => {
    const server = await site.registered();
    expect((await site.heartbeat(server)).status).toBe(200);
    const { status, body } = await site.unregister(server);
    expect([status, body.state]).toEqual([202, 'Decommissioned']);
    expect((await site.heartbeat(server)).body).toMatchObject({ code: 'generation_retired', instruction: 'stop' });
    await site.pass(301);
    await site.replica().cleanUp.pass();
    expect((await site.read(`/v1/process-servers/${server.hostId}`)).status).toBe(404);
    expect((await site.unregister(server)).body).toMatchObject({ code: 'generation_retired', instruction: 'stop' });
    expect(await site.eventKinds(server.hostId)).toEqual([
      'registered',
      'decommissioned',
      'refused_generation_retired',
      'removed',
    ]);
  });

  it('falls silent, is purged, and does not come back by itself', async () => {
    const server = await site.registered();
    await site.heartbeat(server);
    expect((await site.purge(server.hostId, { generation: 1 })).body.code).toBe('process_server_connected');
    await site.pass(180);
    expect((await site.read(`/v1/process-servers/${server.hostId}`)).body).toMatchObject({
      connectionState: 'Disconnected',
    });
    const purged = await site.purge(server.hostId, { generation: 1 });
    expect(purged.status).toBe(200);
    expect((await site.purge(server.hostId, { generation: 1 })).body).toEqual(purged.body);
    const late = await site.heartbeat(server);
    expect([late.status, late.body.code, late.body.instruction]).toEqual([410, 'generation_retired', 'ask_operator']);
    const again = await site.registered({}, server.hostId);
    expect(again.generation).toBe(2);
    expect((await site.heartbeat(again)).status).toBe(200);
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type KnownServer, TestCluster } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());

/** Gives the lease and the entry different generations, as a half-written transaction would. */
async function damaged(): Promise<KnownServer> {
  const server = await cluster.registered();
  await cluster.database.write('UPDATE process_server_lease SET generation = 7 WHERE host_id = ?', [server.hostId]);
  return server;
}

it('registers an entry again whose rows contradict each other', async () => {
  const { hostId } = await damaged();
  const { status, body } = await cluster.register(hostId);
  expect([status, body.generation]).toEqual([200, 8]);
  expect((await cluster.heartbeat({ hostId, generation: 8, credential: body.credential })).status).toBe(200);
});

it('purges an entry whose rows contradict each other, by the generation shown', async () => {
  const { hostId } = await damaged();
  const { body } = await cluster.read<{ generation: number }>(`/v1/process-servers/${hostId}`);
  expect((await cluster.purge(hostId, { generation: body.generation, force: true })).status).toBe(200);
  expect((await cluster.read(`/v1/process-servers/${hostId}`)).status).toBe(404);
});

it('decommissions an entry whose rows contradict each other', async () => {
  const { hostId } = await damaged();
  const response = await cluster.call('DELETE', `/v1/process-servers/${hostId}?force=true&reason=test`, {
    authorization: cluster.admin,
  });
  expect(response.status).toBe(202);
  expect((await cluster.read(`/v1/process-servers/${hostId}`)).body).toMatchObject({
    lifecycle: 'Decommissioned',
    generation: 7,
  });
});

it('repairs the contradiction in a consistency check, with an event for readers and a metric', async () => {
  await cluster.replica().consistency.run();
  const { hostId } = await damaged();
  const inconsistencies = async (): Promise<string[]> => {
    const { body } = await cluster.call<{ text: string }>('GET', '/metrics');
    return body.text.split('\n').filter((line) => line.startsWith('cs_inconsistencies') && !line.endsWith(' 0'));
  };
  expect(await inconsistencies()).toEqual([]);
  await cluster.replica().consistency.run();
  expect(await inconsistencies()).toEqual(['cs_inconsistencies{kind="generation_mismatch"} 1']);
  const { body } = await cluster.read<{ items: Record<string, unknown>[] }>(`/v1/process-servers/${hostId}/events`);
  expect(body.items.map(({ kind }) => kind)).toContain('inconsistency_repaired');
  expect((await cluster.read(`/v1/process-servers/${hostId}`)).body).toMatchObject({ generation: 7 });
  await cluster.replica().consistency.run();
  expect(await inconsistencies()).toEqual([]);
});

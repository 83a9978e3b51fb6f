import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type KnownServer, TestSite } from '../support/test-site.js';

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open();
});
afterAll(() => site.close());

/** A lease and an entry of different generations, as half of a transaction leaves them. */
async function damaged(): Promise<KnownServer> {
  const server = await site.registered();
  await site.database.write('UPDATE process_server_lease SET generation = 7 WHERE host_id = ?', [server.hostId]);
  return server;
}

it('an entry whose rows contradict each other is registered again', async () => {
  const { hostId } = await damaged();
  const { status, body } = await site.register(hostId);
  expect([status, body.generation]).toEqual([200, 8]);
  expect((await site.heartbeat({ hostId, generation: 8, credential: body.credential })).status).toBe(200);
});

it('an entry whose rows contradict each other is purged by the generation that is shown', async () => {
  const { hostId } = await damaged();
  const { body } = await site.read<{ generation: number }>(`/v1/process-servers/${hostId}`);
  expect((await site.purge(hostId, { generation: body.generation, force: true })).status).toBe(200);
  expect((await site.read(`/v1/process-servers/${hostId}`)).status).toBe(404);
});

it('an entry whose rows contradict each other is decommissioned', async () => {
  const { hostId } = await damaged();
  const answer = await site.call('DELETE', `/v1/process-servers/${hostId}?force=true&reason=test`, {
    authorization: site.admin,
  });
  expect(answer.status).toBe(202);
  expect((await site.read(`/v1/process-servers/${hostId}`)).body).toMatchObject({
    lifecycle: 'Decommissioned',
    generation: 7,
  });
});

it('a check repairs it, says so in an event that readers see, and counts it in a metric', async () => {
  await site.replica().consistency.pass();
  const { hostId } = await damaged();
  const inconsistencies = async (): Promise<string[]> => {
    const { body } = await site.call<{ text: string }>('GET', '/metrics');
    return body.text.split('\n').filter((line) => line.startsWith('cs_inconsistencies') && !line.endsWith(' 0'));
  };
  expect(await inconsistencies()).toEqual([]);
  await site.replica().consistency.pass();
  expect(await inconsistencies()).toEqual(['cs_inconsistencies{kind="generation_mismatch"} 1']);
  const { body } = await site.read<{ items: Record<string, unknown>[] }>(`/v1/process-servers/${hostId}/events`);
  expect(body.items.map(({ kind }) => kind)).toContain('inconsistency_repaired');
  expect((await site.read(`/v1/process-servers/${hostId}`)).body).toMatchObject({ generation: 7 });
  await site.replica().consistency.pass();
  expect(await inconsistencies()).toEqual([]);
});

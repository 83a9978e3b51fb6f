import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { eventually } from '../support/eventually.js';
import { registrationOf } from '../support/server-program.js';
import { ProgramCluster, NODE_PIDS, NODES, NO_VIOLATIONS } from './program-cluster.js';

const HOSTS = 20;
/** The cluster evicts a node that is silent for three to six seconds. */
const BEFORE_MS = 2_000;
const FAILED_MS = 9_000;
const AFTER_MS = 3_000;
/** Lease and clock: the stored timestamp of an acknowledged heartbeat is at most this much earlier than its call. */
const CLOCKS_DIFFER_MS = 1_000;

interface HeartbeatLoop {
  readonly hostId: string;
  generation: number;
  credential: string;
  lastAcknowledgedMs: number;
}

let cluster: ProgramCluster;
beforeAll(async () => {
  cluster = await ProgramCluster.open([1, 2]);
});
afterAll(() => cluster.close());

/** Sends heartbeats until the load ends, and switches to the other replica after a failure, like a load balancer. */
async function sendHeartbeatsThroughout(host: HeartbeatLoop, isOver: () => boolean): Promise<void> {
  for (let replica = 0; !isOver();) {
    const body = { generation: host.generation, agentVersion: '1.0.0.0', protectedMachineCount: 0 };
    const { status, sentAtMs } = await cluster.call(
      replica,
      'POST',
      `${host.hostId}/heartbeats`,
      `Bearer ${host.credential}`,
      body,
    );
    if (status === 200) host.lastAcknowledgedMs = sentAtMs;
    else replica = 1 - replica;
    await pause(50);
  }
}

async function isSynced(node: number): Promise<boolean> {
  const connection = await createConnection({ ...NODES[node] }).catch(() => null);
  const [rows] = (await connection
    ?.query<RowDataPacket[]>(`SHOW STATUS WHERE Variable_name = 'wsrep_local_state_comment' AND Value = 'Synced'`)
    .catch(() => null)) ?? [[]];
  await connection?.end().catch(() => undefined);
  return rows.length === 1;
}

async function synced(node: number): Promise<void> {
  let is = false;
  const polling = setInterval(() => void isSynced(node).then((now) => (is = now)), 500);
  await eventually(`node ${node + 1} is synced`, 60_000, () => is).finally(() => clearInterval(polling));
}

/** In both cases one node stays in the cluster, and the other replica stays reachable. */
it.each([
  [
    'is paused',
    1,
    () => process.kill(NODE_PIDS[1] as number, 'SIGSTOP'),
    () => process.kill(NODE_PIDS[1] as number, 'SIGCONT'),
  ],
  ['is killed', 2, () => process.kill(NODE_PIDS[2] as number, 'SIGKILL'), () => true],
])('no acknowledged write is lost while a node %s', async (_what, node, fail, end) => {
  const hosts: HeartbeatLoop[] = await Promise.all(
    Array.from({ length: HOSTS }, async () => {
      const hostId = randomUUID();
      const { status, body } = await cluster.call(0, 'PUT', hostId, cluster.asAgent, registrationOf(hostId));
      expect(status).toBe(201);
      return {
        hostId,
        generation: Number(body['generation']),
        credential: String(body['credential']),
        lastAcknowledgedMs: 0,
      };
    }),
  );
  let isOver = false;
  const sendingHeartbeats = hosts.map((host) => sendHeartbeatsThroughout(host, () => isOver));
  const registered: string[] = [];
  const registering = [0, 0, 1, 1].map(async (replica) => {
    while (!isOver) {
      const hostId = randomUUID();
      const { status } = await cluster.call(replica, 'PUT', hostId, cluster.asAgent, registrationOf(hostId));
      if (status === 201) registered.push(hostId);
      await pause(50);
    }
  });
  await pause(BEFORE_MS);
  fail();
  await pause(FAILED_MS);
  end();
  if (node === 1) await synced(node);
  await pause(AFTER_MS);
  isOver = true;
  await Promise.all([...sendingHeartbeats, ...registering]);

  const leases = await cluster.rows<{ host_id: string; last_heartbeat_at: Date }>(
    'SELECT host_id, last_heartbeat_at FROM process_server_lease WHERE host_id IN (?)',
    [hosts.map(({ hostId }) => hostId)],
  );
  const keptOf = new Map(leases.map((lease) => [lease.host_id, lease.last_heartbeat_at.getTime()]));
  const lost = hosts.filter(
    ({ hostId, lastAcknowledgedMs }) => (keptOf.get(hostId) ?? 0) < lastAcknowledgedMs - CLOCKS_DIFFER_MS,
  );
  expect(lost).toEqual([]);
  const kept = new Set(
    (await cluster.rows<{ host_id: string }>('SELECT host_id FROM process_server')).map(({ host_id }) => host_id),
  );
  console.log(`${registered.length} registrations acknowledged`);
  expect(registered.length).toBeGreaterThan(10);
  expect(registered.filter((hostId) => !kept.has(hostId))).toEqual([]);
  expect(await cluster.violations()).toEqual(NO_VIOLATIONS);
});

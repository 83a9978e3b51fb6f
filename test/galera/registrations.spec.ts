import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { registrationOf } from '../support/server-program.js';
import { ProgramCluster, NO_VIOLATIONS, type Reply } from './program-cluster.js';

const HOSTS = 50;
const LOAD_MS = 20_000;

let cluster: ProgramCluster;
beforeAll(async () => {
  cluster = await ProgramCluster.open([0, 1]);
});
afterAll(() => cluster.close());

it('concurrent registrations of each host through both replicas get one generation each, and every host stays reachable', async () => {
  const hosts = Array.from({ length: HOSTS }, () => ({ hostId: randomUUID(), generation: 0, credential: '' }));
  const statuses = new Map<string, number>();
  let maxMs = 0;
  const record = (what: string, { status, tookMs }: Reply): void => {
    statuses.set(`${what} ${status}`, (statuses.get(`${what} ${status}`) ?? 0) + 1);
    if (what === 'register') maxMs = Math.max(maxMs, tookMs);
  };
  const untilMs = Date.now() + LOAD_MS;
  const live = async (host: (typeof hosts)[number]): Promise<void> => {
    while (Date.now() < untilMs) {
      const responses = await Promise.all(
        [0, 1].map((replica) =>
          cluster.call(replica, 'PUT', host.hostId, cluster.asAgent, registrationOf(host.hostId)),
        ),
      );
      for (const response of responses) {
        record('register', response);
        if (response.status < 300 && Number(response.body['generation']) > host.generation)
          Object.assign(host, response.body);
      }
      const body = { generation: host.generation, agentVersion: '1.0.0.0', protectedMachineCount: 0 };
      const heartbeats = await Promise.all(
        [0, 1].map((replica) =>
          cluster.call(replica, 'POST', `${host.hostId}/heartbeats`, `Bearer ${host.credential}`, body),
        ),
      );
      for (const heartbeat of heartbeats) record('heartbeat', heartbeat);
    }
  };
  await Promise.all(hosts.map(live));
  console.log(`responses: ${JSON.stringify([...statuses].sort())}; the longest registration took ${maxMs} ms`);
  expect(await cluster.violations()).toEqual(NO_VIOLATIONS);
  expect([...statuses.keys()].filter((key) => !/ 20[01]$/.test(key))).toEqual([]);
  const again = await Promise.all(
    hosts.map((host) => cluster.call(0, 'PUT', host.hostId, cluster.asAgent, registrationOf(host.hostId))),
  );
  expect(again.filter(({ status }) => status !== 200 && status !== 201)).toEqual([]);
});

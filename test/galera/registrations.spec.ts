import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { registrationOf } from '../support/server-program.js';
import { ClusterSite, NO_FAULTS, type Reply } from './cluster-site.js';

const HOSTS = 50;
const LOAD_MS = 20_000;

let site: ClusterSite;
beforeAll(async () => {
  site = await ClusterSite.open([0, 1]);
});
afterAll(() => site.close());

it('registrations of each host through both replicas at once become one generation each, and every host stays within reach', async () => {
  const hosts = Array.from({ length: HOSTS }, () => ({ hostId: randomUUID(), generation: 0, credential: '' }));
  const statuses = new Map<string, number>();
  let longestMs = 0;
  const note = (what: string, { status, tookMs }: Reply): void => {
    statuses.set(`${what} ${status}`, (statuses.get(`${what} ${status}`) ?? 0) + 1);
    if (what === 'register') longestMs = Math.max(longestMs, tookMs);
  };
  const untilMs = Date.now() + LOAD_MS;
  const live = async (host: (typeof hosts)[number]): Promise<void> => {
    while (Date.now() < untilMs) {
      const answers = await Promise.all(
        [0, 1].map((replica) => site.call(replica, 'PUT', host.hostId, site.asAgent, registrationOf(host.hostId))),
      );
      for (const answer of answers) {
        note('register', answer);
        if (answer.status < 300 && Number(answer.body['generation']) > host.generation)
          Object.assign(host, answer.body);
      }
      const body = { generation: host.generation, agentVersion: '1.0.0.0', protectedMachineCount: 0 };
      const beats = await Promise.all(
        [0, 1].map((replica) =>
          site.call(replica, 'POST', `${host.hostId}/heartbeats`, `Bearer ${host.credential}`, body),
        ),
      );
      for (const beat of beats) note('heartbeat', beat);
    }
  };
  await Promise.all(hosts.map(live));
  console.log(`answers: ${JSON.stringify([...statuses].sort())}; the longest registration took ${longestMs} ms`);
  expect(await site.faults()).toEqual(NO_FAULTS);
  expect([...statuses.keys()].filter((key) => !/ 20[01]$/.test(key))).toEqual([]);
  const again = await Promise.all(
    hosts.map((host) => site.call(0, 'PUT', host.hostId, site.asAgent, registrationOf(host.hostId))),
  );
  expect(again.filter(({ status }) => status !== 200 && status !== 201)).toEqual([]);
});

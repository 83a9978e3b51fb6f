import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { registrationOf } from '../support/server-program.js';
import { ProgramCluster } from './program-cluster.js';

const HOSTS = 10;
const LOAD_MS = 15_000;
/** The clock lead of its sender identifies each heartbeat: it is stored, and no decision depends on it. */
const APART_MS = 10_000;
const KEEP_EACH_WRITE = `
  CREATE TABLE written (number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, host_id CHAR(36) NOT NULL, beat BIGINT);
  CREATE TRIGGER keep_each_write AFTER UPDATE ON process_server_lease FOR EACH ROW
    INSERT INTO written (host_id, beat) VALUES (NEW.host_id, ROUND(NEW.skew_ms / ${APART_MS}))`;

interface Sender {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
  sentHeartbeats: number;
  readonly acknowledged: Set<number>;
}

let cluster: ProgramCluster;
beforeAll(async () => {
  cluster = await ProgramCluster.open([0, 1]);
  await cluster.rows(KEEP_EACH_WRITE);
});
afterAll(() => cluster.close());

async function sender(): Promise<Sender> {
  const hostId = randomUUID();
  const { body } = await cluster.call(0, 'PUT', hostId, cluster.asAgent, registrationOf(hostId));
  return {
    hostId,
    generation: Number(body['generation']),
    credential: String(body['credential']),
    sentHeartbeats: 0,
    acknowledged: new Set(),
  };
}

it.each([
  ['without changes', {}],
  ['with load and counts', { load: { cpuPercent: 12 }, protectedMachineCount: 1 }],
])(
  'heartbeats %s, sent through both replicas concurrently, are written when they are acknowledged',
  async (_what, report) => {
    const senders = await Promise.all(Array.from({ length: HOSTS }, sender));
    const untilMs = Date.now() + LOAD_MS;
    const statuses = new Map<number, number>();
    const sendHeartbeats = async (from: Sender, replica: number): Promise<void> => {
      while (Date.now() < untilMs) {
        const number = (from.sentHeartbeats += 1);
        const body = {
          generation: from.generation,
          agentVersion: '1.0.0.0',
          sentAt: new Date(Date.now() + number * APART_MS).toISOString(),
          ...report,
        };
        const { status } = await cluster.call(
          replica,
          'POST',
          `${from.hostId}/heartbeats`,
          `Bearer ${from.credential}`,
          body,
        );
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) from.acknowledged.add(number);
        await pause(number % 6);
      }
    };
    await Promise.all(senders.flatMap((from) => [sendHeartbeats(from, 0), sendHeartbeats(from, 1)]));
    let acknowledged = 0;
    const lost: string[] = [];
    for (const { hostId, acknowledged: numbers } of senders) {
      const written = new Set(
        (await cluster.rows<{ beat: number }>('SELECT beat FROM written WHERE host_id = ?', [hostId])).map(
          ({ beat: number }) => Number(number),
        ),
      );
      acknowledged += numbers.size;
      lost.push(...[...numbers].filter((number) => !written.has(number)).map((number) => `${hostId} ${number}`));
    }
    console.log(
      `${acknowledged} heartbeats acknowledged, ${lost.length} of them never written; responses by status: ${JSON.stringify([...statuses])}`,
    );
    expect(acknowledged).toBeGreaterThan(1_000);
    expect(lost).toEqual([]);
  },
);

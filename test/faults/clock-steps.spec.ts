import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ClockProxy } from '../support/clock-proxy.js';
import { RunningFleet, type HeartbeatSender } from '../support/running-fleet.js';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';
import { TestDatabase } from '../support/test-database.js';

jest.setTimeout(240_000);

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SETTINGS = {
  HEARTBEAT_INTERVAL_SECONDS: '1',
  LEASE_SECONDS: '6',
  CLEAN_UP_GRACE_SECONDS: '2',
  CLEAN_UP_INTERVAL_SECONDS: '2',
  API_KEY_REQUESTS_PER_SECOND: '1000',
};

let database: TestDatabase;
let proxy: ClockProxy;
let folder: ServerFolder;
let program: ServerProgram;
let fleet: RunningFleet;

beforeEach(async () => {
  database = await TestDatabase.make();
  proxy = await ClockProxy.inFrontOf(database.address);
  folder = await ServerFolder.make({ ...SETTINGS, DATABASE_URL: proxy.url });
  program = await folder.start();
  fleet = await RunningFleet.of(folder, program, 2, 500);
});
afterEach(async () => {
  await fleet.stop();
  await folder.remove();
  await proxy.close();
  await database.drop();
});

type About = { asOf: string; availability: { availableMs: number } };
type Events = { items: { kind: string; hostId: string | null }[]; followCursor: string };

const about = async (): Promise<About> => (await fleet.read<About>('/v1/configuration-server')).body;
const steps = async (): Promise<number> => (await fleet.kinds()).filter((kind) => kind === 'clock_stepped').length;
/** Steps the clock of the database, and waits until the server uses it and has recorded the step. */
async function step(shiftMs: number): Promise<void> {
  const before = await steps();
  proxy.shiftMs = shiftMs;
  await fleet.until(
    'the server uses the clock of the database',
    async () => Math.abs(Date.parse((await about()).asOf) - Date.now() - shiftMs) < 60_000 && (await steps()) > before,
    90_000,
  );
}
const isGone = async (server: HeartbeatSender): Promise<boolean> => (await fleet.stateOf(server)) === '404';
const kindsOf = (events: Events, { hostId }: HeartbeatSender): string[] =>
  events.items.filter((event) => event.hostId === hostId).map(({ kind }) => kind);

describe('a wall clock step of the database', () => {
  it('back by two hours: silent servers disconnect, due entries are removed, counts stay current, and event readers miss none', async () => {
    const [alive, dies] = fleet.servers as [HeartbeatSender, HeartbeatSender];
    const leaves = await fleet.add();
    fleet.stopHeartbeats(leaves);
    await fleet.unregister(leaves);
    const follow = (await fleet.read<Events>('/v1/events?limit=1000')).body.followCursor;
    const countedAt = (await fleet.read<{ asOf: string }>('/v1/fleet')).body.asOf;
    const before = await about();

    await step(-2 * HOUR_MS);
    fleet.stopHeartbeats(dies);
    const late = await fleet.add();
    fleet.stopHeartbeats(late);
    await fleet.unregister(late);
    const after = await about();
    expect(after.availability.availableMs).toBeGreaterThan(before.availability.availableMs);
    await fleet.until('the dead one is Disconnected', async () => (await fleet.stateOf(dies)) === 'Disconnected');
    await fleet.until('both that left are removed', async () => (await isGone(leaves)) && (await isGone(late)));
    expect(await fleet.stateOf(alive)).toBe('Connected');
    await fleet.until(
      'the fleet is counted again',
      async () => (await fleet.read<{ asOf: string }>('/v1/fleet')).body.asOf < countedAt,
    );
    expect((await fleet.read('/health/ready')).status).toBe(200);
    const followed = (await fleet.read<Events>(`/v1/events?limit=1000&cursor=${encodeURIComponent(follow)}`)).body;
    expect(kindsOf(followed, late).filter((kind) => !kind.startsWith('refused_'))).toEqual([
      'registered',
      'decommissioned',
      'removed',
    ]);
    expect(followed.items.map(({ kind }) => kind)).toContain('clock_stepped');
    expect(await fleet.kinds()).not.toContain('silence_ended');
  });

  it('ahead by 500 days for a minute: nothing is deleted, no lease ends, and silent servers disconnect afterwards', async () => {
    const [alive, dies] = fleet.servers as [HeartbeatSender, HeartbeatSender];
    const events = await fleet.kinds();
    await step(500 * DAY_MS);
    const runs = async (): Promise<string | null> =>
      (await fleet.read<{ cleanUp: { lastPassAt: string | null } }>('/v1/configuration-server')).body.cleanUp
        .lastPassAt;
    const run = await runs();
    await fleet.until('another clean-up has run', async () => (await runs()) !== run);
    expect(await fleet.kinds()).toEqual(expect.arrayContaining(events));
    expect(await Promise.all([fleet.stateOf(alive), fleet.stateOf(dies)])).toEqual(['Connected', 'Connected']);
    await step(0);
    fleet.stopHeartbeats(dies);
    await fleet.until('the dead one is Disconnected', async () => (await fleet.stateOf(dies)) === 'Disconnected');
    expect(await fleet.stateOf(alive)).toBe('Connected');
    const kinds = await fleet.kinds();
    expect(kinds).toEqual(expect.arrayContaining(events));
    expect(await steps()).toBe(2);
    expect(kinds).not.toContain('silence_ended');
  });
});

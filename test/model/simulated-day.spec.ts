import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CapacityResponse, FleetResponse, ProcessServerDetail, ProcessServerList } from '@app/api-contract';
import { DAY, GB, hours, INJECTED, type DayServer } from './injected-problems.js';
import { SimulatedDay } from './simulated-day.js';

const SERVERS = 1_000;
const TIMEOUT_MS = 900_000;
const OUTAGE = { from: hours(12), to: hours(13) };

let day: SimulatedDay;

const STEADY: readonly DayServer[] = Array.from({ length: SERVERS - INJECTED.length }, (_, number) => ({
  name: `steady-${number}`,
}));

const ACTIONS: Readonly<Record<number, () => Promise<unknown>>> = {
  [hours(5)]: () => day.cluster.purge(day.member('purged').hostId, { generation: 1 }, 1),
  [hours(8)]: () => day.cluster.heartbeat(day.member('purged')),
  [hours(9)]: () => day.cluster.unregister(day.member('decommissioned')),
  [hours(10)]: async () => {
    await day.cluster.call('PUT', '/v1/releases/ProcessServer/Windows/9.61.0.1', {
      body: {
        releasedAt: '2026-01-01T00:00:00Z',
        supportEndsAt: '2030-01-01T00:00:00Z',
        flags: ['SecurityUpdateRequired'],
        sizeBytes: 1_000,
        sha256: 'ab'.repeat(32),
        downloadUrl: 'https://packages.example.net/ps.exe',
      },
      authorization: day.cluster.admin,
    });
    await day.refreshCatalogues();
  },
};

/**
 * Health with its errors around each edge: raised after 90 minutes, cleared after 30, missing after 90, and Disconnected after 30.
 * The outage counts for none of them.
 */
const HEALTH_AT: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  'cpu-warning': {
    [hours(3, 20)]: 'Normal',
    [hours(3, 30)]: 'Warning cpu_high',
    [hours(10, 20)]: 'Warning cpu_high',
    [hours(10, 30)]: 'Normal',
  },
  'cpu-critical': {
    [hours(3, 20)]: 'Normal',
    [hours(3, 30)]: 'Critical cpu_high',
    [hours(10, 20)]: 'Critical cpu_high',
    [hours(10, 30)]: 'Normal',
  },
  'cpu-before-outage': {
    [hours(13, 50)]: 'Normal',
    [hours(14)]: 'Warning cpu_high',
    [hours(20, 20)]: 'Warning cpu_high',
    [hours(20, 30)]: 'Normal',
  },
  'cpu-ends-before-outage': {
    [hours(9, 20)]: 'Normal',
    [hours(9, 30)]: 'Warning cpu_high',
    [hours(13)]: 'Warning cpu_high',
    [hours(13, 10)]: 'Normal',
  },
  'cpu-spike': { [hours(15, 20)]: 'Normal', [hours(15, 30)]: 'Normal' },
  memory: {
    [hours(5, 20)]: 'Normal',
    [hours(5, 30)]: 'Warning memory_high',
    [hours(8, 20)]: 'Warning memory_high',
    [hours(8, 30)]: 'Normal',
  },
  cache: { [hours(6, 20)]: 'Normal', [hours(6, 30)]: 'Critical cache_space_low', [DAY]: 'Critical cache_space_low' },
  upload: { [hours(19, 20)]: 'Normal', [hours(19, 30)]: 'Warning upload_slow', [DAY]: 'Warning upload_slow' },
  service: {
    [hours(8, 20)]: 'Normal',
    [hours(8, 30)]: 'Warning services_not_running',
    [hours(9, 20)]: 'Warning services_not_running',
    [hours(9, 30)]: 'Normal',
  },
  'load-withheld': { [hours(9, 20)]: 'Normal', [hours(9, 30)]: 'None', [hours(10, 50)]: 'None', [hours(11)]: 'Normal' },
  'certificate-45': { [0]: 'Warning certificate_expiring', [DAY]: 'Warning certificate_expiring' },
  'certificate-5': { [0]: 'Warning certificate_expiring', [DAY]: 'Warning certificate_expiring' },
  'certificate-today': {
    [hours(15, 20)]: 'Warning certificate_expiring',
    [hours(15, 30)]: 'Critical certificate_expired',
    [DAY]: 'Critical certificate_expired',
  },
  'certificate-60': {
    [hours(6)]: 'Normal',
    [hours(6, 10)]: 'Warning certificate_expiring',
    [DAY]: 'Warning certificate_expiring',
  },
  'silent-and-back': {
    [hours(3, 20)]: 'Normal',
    [hours(3, 30)]: 'None',
    [hours(4, 20)]: 'None',
    [hours(4, 30)]: 'Critical heartbeat_missing',
    [hours(5, 50)]: 'Critical heartbeat_missing',
    [hours(6)]: 'Normal',
  },
  'silent-over-outage': { [hours(13)]: 'Normal', [hours(13, 10)]: 'Normal' },
  'silent-for-good': {
    [hours(16, 20)]: 'Normal',
    [hours(16, 30)]: 'None',
    [hours(17, 20)]: 'None',
    [hours(17, 30)]: 'Critical heartbeat_missing',
    [DAY]: 'Critical heartbeat_missing',
  },
};
const GONE = ['purged', 'decommissioned'];
const SILENT_IN_OUTAGE = [...GONE, 'silent-over-outage'];

/** All events but registrations. The end of a lease is final, and written, in the round after it. */
const EVENTS: readonly string[] = [
  '00:00 - api_key_created',
  '00:00 - passphrase_created',
  '00:00 certificate-45 certificate_expiring 60 days before',
  '00:00 certificate-45 health_changed None to Warning +certificate_expiring',
  '00:00 certificate-5 certificate_expiring 7 days before',
  '00:00 certificate-5 health_changed None to Warning +certificate_expiring',
  '00:00 certificate-today certificate_expiring 7 days before',
  '00:00 certificate-today health_changed None to Warning +certificate_expiring',
  '01:40 purged disconnected 01:30',
  '02:30 purged health_changed None to Critical +heartbeat_missing',
  '03:30 cpu-critical health_changed Normal to Critical +cpu_high',
  '03:30 cpu-warning health_changed Normal to Warning +cpu_high',
  '03:40 silent-and-back disconnected 03:30',
  '04:30 silent-and-back health_changed None to Critical +heartbeat_missing',
  '05:00 purged purged',
  '05:30 memory health_changed Normal to Warning +memory_high',
  '06:00 silent-and-back health_changed Critical to Normal -heartbeat_missing',
  '06:00 silent-and-back reconnected 03:30',
  '06:00 silent-and-back silence_ended 03:00 to 06:00',
  '06:10 certificate-60 certificate_expiring 60 days before',
  '06:10 certificate-60 health_changed Normal to Warning +certificate_expiring',
  '06:30 cache health_changed Normal to Critical +cache_space_low',
  '08:00 purged refused_generation_retired',
  '08:30 memory health_changed Warning to Normal -memory_high',
  '08:30 service health_changed Normal to Warning +services_not_running',
  '09:00 decommissioned decommissioned',
  '09:10 decommissioned removed',
  '09:30 cpu-ends-before-outage health_changed Normal to Warning +cpu_high',
  '09:30 service health_changed Warning to Normal -services_not_running',
  '10:00 - release_added 9.61.0.1',
  '10:30 cpu-critical health_changed Critical to Normal -cpu_high',
  '10:30 cpu-warning health_changed Warning to Normal -cpu_high',
  '13:00 - service_outage 12:00 to 13:00',
  '13:10 cpu-ends-before-outage health_changed Warning to Normal -cpu_high',
  '14:00 cpu-before-outage health_changed Normal to Warning +cpu_high',
  '14:00 version-raised version_changed 9.62.0.1 to 9.63.7187.1',
  '15:30 certificate-today certificate_expired',
  '15:30 certificate-today health_changed Warning to Critical +certificate_expired -certificate_expiring',
  '16:40 silent-for-good disconnected 16:30',
  '17:30 silent-for-good health_changed None to Critical +heartbeat_missing',
  '19:30 upload health_changed Normal to Warning +upload_slow',
  '20:30 cpu-before-outage health_changed Warning to Normal -cpu_high',
];

let outageRejections: string[][] | null = null;
const healthAt: Record<string, Record<number, string>> = {};

async function readHealth(name: string, minute: number): Promise<void> {
  const url = `/v1/process-servers/${day.member(name).hostId}`;
  const { health, healthErrors } = (await day.cluster.read<ProcessServerDetail>(url, minute % 2)).body;
  const errors = healthErrors.map(({ errorCode, errorLevel }) =>
    errorLevel === health ? ` ${errorCode}` : ` ${errorLevel} ${errorCode}`,
  );
  healthAt[name] = { ...healthAt[name], [minute]: health + errors.join('') };
}
const listed = async (query: string): Promise<string[]> =>
  (await day.cluster.read<ProcessServerList>(`/v1/process-servers?limit=1000&${query}`, 1)).body.items
    .map(({ friendlyName }) => friendlyName)
    .sort();

beforeAll(async () => {
  day = await SimulatedDay.open();
  await day.register([...INJECTED, ...STEADY]);
  await day.runRound();
  const edges = Object.entries(HEALTH_AT).flatMap(([name, times]) =>
    Object.keys(times).map((minute) => ({ name, minute: Number(minute) })),
  );
  for (const { name, minute } of edges.sort((a, b) => a.minute - b.minute)) {
    if (minute >= OUTAGE.to && !outageRejections) {
      await day.advanceTo(OUTAGE.from, ACTIONS);
      outageRejections = await day.advanceInOutageTo(OUTAGE.to);
    }
    await day.advanceTo(minute, ACTIONS);
    await readHealth(name, minute);
  }
  const others = INJECTED.filter(({ name }) => !GONE.includes(name) && HEALTH_AT[name]?.[DAY] === undefined);
  for (const { name } of others) await readHealth(name, DAY);
}, TIMEOUT_MS);
afterAll(() => day.close());

describe('after a day of a thousand process servers on two replicas, with one of each problem', () => {
  it('the events are those of the problems, each once, and of one registration each', async () => {
    const kindOf = (event: string): string | undefined => event.split(' ')[2];
    const events = await day.events();
    expect(events.filter((event) => kindOf(event) === 'registered')).toHaveLength(SERVERS);
    expect(events.filter((event) => kindOf(event) !== 'registered')).toEqual(EVENTS);
  });

  it('health changed at the edges of the windows, and the others stayed Normal', () => {
    const expected: Record<string, Record<number, string>> = {};
    for (const { name } of INJECTED.filter((server) => !GONE.includes(server.name)))
      expected[name] = { [DAY]: 'Normal', ...HEALTH_AT[name] };
    expect(healthAt).toEqual(expected);
  });

  it('the outage rejected all heartbeats that were sent, and no job ran', () => {
    const sendingEachRound = INJECTED.filter(({ heartbeat }) => heartbeat);
    const sent = sendingEachRound.length - SILENT_IN_OUTAGE.length + (SERVERS - sendingEachRound.length) / 2;
    expect(outageRejections).toEqual(Array(5).fill(Array(sent).fill('replica_not_ready')));
  });

  it.each([
    ['health=Critical', ['cache', 'certificate-today', 'silent-for-good']],
    ['health=Warning', ['certificate-45', 'certificate-5', 'certificate-60', 'upload']],
    ['health=None', []],
    ['connectionState=Disconnected', ['silent-for-good']],
    ['lifecycle=Decommissioned', []],
    ['possibleDuplicate=true', ['duplicate-address-1', 'duplicate-address-2']],
    ['versionStatus=NotSupported', ['version-too-old']],
    ['versionStatus=SecurityUpdateRequired', ['version-flagged']],
  ])('the list with %s has %j', async (query, names) => {
    expect(await listed(query)).toEqual(names);
  });

  it('the counts are those of the lists', async () => {
    expect((await day.cluster.read<FleetResponse>('/v1/fleet')).body).toMatchObject({
      total: 998,
      lifecycle: { Registered: 998, Decommissioned: 0 },
      connectionStateByLifecycle: {
        Registered: { Connected: 997, Disconnected: 1 },
        Decommissioned: { Connected: 0, Disconnected: 0 },
      },
      versionStatus: { Supported: 996, NotSupported: 1, SecurityUpdateRequired: 1, Deprecated: 0, UpdateRequired: 0 },
      health: { None: 0, Normal: 991, Warning: 4, Critical: 3 },
    });
  });

  it('the capacity is that of the usable process servers', async () => {
    const { site, items } = (await day.cluster.read<CapacityResponse>('/v1/fleet/capacity?limit=1000')).body;
    // 998 without three Critical and one NotSupported; 992 of them with room for 110 machines and 900 GB a day.
    expect(site).toMatchObject({
      usableProcessServerCount: 994,
      room: { protectedMachineCount: 992 * 110 + 140, churnBytesPerDay: (992 * 900 + 950) * GB },
      machinesUnknownCount: 0,
      churnUnknownCount: 0,
      bestPlace: { friendlyName: 'nearly-empty', room: { protectedMachineCount: 140, churnBytesPerDay: 950 * GB } },
      addProcessServer: { needed: false },
    });
    expect(items.filter(({ beyondClass }) => beyondClass)).toMatchObject([
      { friendlyName: 'beyond-class', beyondClass: { protectedMachineCount: 5, churnBytesPerDay: 50 * GB } },
    ]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { GIGABYTE } from '../registration/sizing.js';
import { capacityOf, type CapacityInputs } from './capacity.js';
import { nextMachine, siteRoomOf } from './site-capacity.js';

const HARDWARE = { cpuCores: 4, memoryBytes: 8 * GIGABYTE, cacheDiskBytes: 300 * GIGABYTE };

const server = (
  hostId: string,
  protectedMachineCount: number | null,
  churnGigabytes: number | null,
  over: Partial<CapacityInputs> = {},
) => ({
  hostId,
  ...capacityOf({
    hardware: HARDWARE,
    lifecycle: 'Registered',
    connectionState: 'Connected',
    health: 'Normal',
    versionStatus: 'Supported',
    reported: {
      protectedMachineCount,
      churnBytesPerDay: churnGigabytes === null ? null : churnGigabytes * GIGABYTE,
    },
    ...over,
  }),
});
const DISCONNECTED = { connectionState: 'Disconnected' } as const;
type Fleet = ReturnType<typeof server>[];

it('sums the known rooms of usable process servers, and counts the unknown ones', () => {
  const site = siteRoomOf([
    server('a', 80, 240),
    server('b', 90, 300),
    server('c', null, 10),
    server('d', 5, null),
    server('e', 0, 0, DISCONNECTED),
  ]);
  expect(site).toMatchObject({
    usableProcessServerCount: 4,
    room: { protectedMachineCount: 85, churnBytesPerDay: 250 * GIGABYTE },
    machinesUnknownCount: 1,
    churnUnknownCount: 1,
  });
});

describe('the next machine', () => {
  it.each<[string, Fleet, number | null, string | null, boolean, string]>([
    ['goes where most churn room is', [server('a', 0, 100), server('b', 80, 50)], 100, 'b', false, 'room_available'],
    ['goes where most machine room is', [server('a', 10, 0), server('b', 0, 240)], null, 'b', false, 'room_available'],
    ['fits exactly', [server('a', 84, 50)], 200, 'a', false, 'room_available'],
    ['does not fit', [server('a', 84, 51)], 200, null, true, 'no_room'],
    [
      'prefers machine room at equal churn room',
      [server('a', 9, 0), server('b', 8, 0)],
      1,
      'b',
      false,
      'room_available',
    ],
    ['takes the first host id of equals', [server('b', 1, 1), server('a', 1, 1)], 1, 'a', false, 'room_available'],
    ['ignores a full one', [server('a', 85, 0), server('b', 0, 200)], 1, 'b', false, 'room_available'],
    ['ignores one beyond its churn', [server('a', 0, 251), server('b', 84, 0)], null, 'b', false, 'room_available'],
    ['ignores a Disconnected one', [server('a', 0, 0, DISCONNECTED)], 1, null, true, 'no_usable_process_server'],
    ['has no place in an empty site', [], null, null, true, 'no_usable_process_server'],
    ['may fit where the machines are unknown', [server('a', null, 0)], 1, null, false, 'room_unknown'],
    ['may fit where the churn is unknown', [server('a', 0, null)], 1, null, false, 'room_unknown'],
    ['of no given churn fits there', [server('a', 0, null)], null, 'a', false, 'room_available'],
    ['has no place in a full site', [server('a', 85, 250)], null, null, true, 'no_room'],
    ['of too much churn fits nowhere', [server('a', 0, 0)], 2_001, null, false, 'churn_above_sizing_table'],
  ])('%s', (_what, fleet, churnGigabytes, place, needed, reason) => {
    const { bestPlace, addProcessServer } = nextMachine(
      siteRoomOf(fleet),
      churnGigabytes === null ? null : churnGigabytes * GIGABYTE,
    );
    expect([bestPlace?.hostId ?? null, addProcessServer.needed, addProcessServer.reason]).toEqual([
      place,
      needed,
      reason,
    ]);
  });

  it.each([
    [0, 'UpTo85Machines'],
    [250, 'UpTo85Machines'],
    [251, 'UpTo150Machines'],
    [1_000, 'UpTo150Machines'],
    [2_000, 'UpTo225Machines'],
    [2_001, null],
  ])('of %s GB a day needs at least a process server of class %s', (gigabytes, sizingClass) => {
    const { addProcessServer } = nextMachine(siteRoomOf([]), gigabytes * GIGABYTE);
    expect(addProcessServer.smallestClass).toBe(sizingClass);
  });
});

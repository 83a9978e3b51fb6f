import { describe, expect, it } from '@jest/globals';
import { GIGABYTE } from '../registration/sizing.js';
import { capacityOf, noPlaceReasons, type CapacityInputs, type NoPlaceReason, type Workload } from './capacity.js';

const SMALL = { cpuCores: 4, memoryBytes: 8 * GIGABYTE, cacheDiskBytes: 300 * GIGABYTE };
const MEDIUM = { cpuCores: 8, memoryBytes: 12 * GIGABYTE, cacheDiskBytes: 600 * GIGABYTE };
const LARGE = { cpuCores: 12, memoryBytes: 24 * GIGABYTE, cacheDiskBytes: 1_000 * GIGABYTE };
const BELOW = { ...SMALL, cpuCores: 3 };

const inputs = (over: Partial<CapacityInputs> = {}): CapacityInputs => ({
  hardware: SMALL,
  lifecycle: 'Registered',
  connectionState: 'Connected',
  health: 'Normal',
  versionStatus: 'Supported',
  reported: { protectedMachineCount: 0, churnBytesPerDay: 0 },
  ...over,
});
const workload = (protectedMachineCount: number | null, churnBytesPerDay: number | null): Workload => ({
  protectedMachineCount,
  churnBytesPerDay,
});

describe('the capacity of a process server', () => {
  it.each([
    ['UpTo85Machines', SMALL, workload(0, 0), workload(85, 250 * GIGABYTE), null],
    ['UpTo85Machines', SMALL, workload(84, 250 * GIGABYTE - 1), workload(1, 1), null],
    ['UpTo85Machines', SMALL, workload(85, 250 * GIGABYTE), workload(0, 0), null],
    ['UpTo85Machines', SMALL, workload(86, 250 * GIGABYTE + 1), workload(0, 0), workload(1, 1)],
    ['UpTo150Machines', MEDIUM, workload(150, 1_000 * GIGABYTE), workload(0, 0), null],
    ['UpTo150Machines', MEDIUM, workload(151, 0), workload(0, 1_000 * GIGABYTE), workload(1, 0)],
    ['UpTo225Machines', LARGE, workload(225, 2_000 * GIGABYTE), workload(0, 0), null],
    ['UpTo225Machines', LARGE, workload(0, 2_000 * GIGABYTE + 1), workload(225, 0), workload(0, 1)],
    ['BelowTable', BELOW, workload(0, 0), workload(0, 0), null],
    ['BelowTable', BELOW, workload(10, 5), workload(0, 0), workload(10, 5)],
    ['UpTo85Machines', SMALL, workload(null, null), workload(null, null), null],
    ['UpTo85Machines', SMALL, workload(100, null), workload(0, null), workload(15, 0)],
    ['UpTo85Machines', SMALL, workload(null, 0), workload(null, 250 * GIGABYTE), null],
  ])('%s: %j with %j has room for %j and exceeds its class by %j', (sizingClass, hardware, reported, room, beyond) => {
    expect(capacityOf(inputs({ hardware, reported }))).toMatchObject({ sizingClass, room, beyondClass: beyond });
  });
});

describe('a place for the next machine', () => {
  it.each<[string, Partial<CapacityInputs>, number | null, NoPlaceReason[]]>([
    ['with room', {}, null, []],
    ['with health None', { health: 'None' }, null, []],
    ['with a version that needs an update', { versionStatus: 'UpdateRequired' }, null, []],
    ['that is Decommissioned', { lifecycle: 'Decommissioned' }, null, ['decommissioned']],
    ['that is Disconnected', { connectionState: 'Disconnected' }, null, ['disconnected']],
    ['with health Critical', { health: 'Critical' }, null, ['health_critical']],
    ['with a version that is not supported', { versionStatus: 'NotSupported' }, null, ['version_not_supported']],
    ['below the table', { hardware: BELOW }, null, ['below_sizing_table', 'no_machine_room']],
    ['with room for one machine', { reported: workload(84, 0) }, null, []],
    ['without room for a machine', { reported: workload(85, 0) }, null, ['no_machine_room']],
    ['of unknown machines', { reported: workload(null, 0) }, null, ['machines_unknown']],
    ['of unknown churn, without a given churn', { reported: workload(0, null) }, null, []],
    ['of unknown churn', { reported: workload(0, null) }, 0, ['churn_unknown']],
    ['whose churn room is exactly the given churn', { reported: workload(0, 249 * GIGABYTE) }, GIGABYTE, []],
    ['with a byte too little', { reported: workload(0, 249 * GIGABYTE + 1) }, GIGABYTE, ['no_churn_room']],
    ['at its churn limit, for a machine without churn', { reported: workload(0, 250 * GIGABYTE) }, 0, []],
    ['beyond its churn limit', { reported: workload(0, 251 * GIGABYTE) }, null, ['no_churn_room']],
    [
      'with several problems',
      { connectionState: 'Disconnected', versionStatus: 'NotSupported', reported: workload(85, null) },
      1,
      ['disconnected', 'version_not_supported', 'no_machine_room', 'churn_unknown'],
    ],
  ])('%s', (_what, over, churn, expected) => {
    expect(noPlaceReasons(capacityOf(inputs(over)), churn)).toEqual(expected);
  });
});

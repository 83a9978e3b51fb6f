import type { Health } from '../health/health.js';
import type { ConnectionState, Lifecycle } from '../process-server.js';
import { GIGABYTE, sizingClassOf, type Hardware, type SizingClass } from '../registration/sizing.js';
import type { VersionStatus } from '../version/version.js';

/** An amount of work: protected machines, and their churn. Null is unknown. */
export interface Workload {
  readonly protectedMachineCount: number | null;
  readonly churnBytesPerDay: number | null;
}
export type KnownWorkload = { readonly [Name in keyof Workload]: number };

/** What a process server of each class can carry. The upper edge of a band belongs to the band; gigabytes are decimal. */
export const CLASS_LIMITS: Readonly<Record<SizingClass, KnownWorkload>> = {
  BelowTable: { protectedMachineCount: 0, churnBytesPerDay: 0 },
  UpTo85Machines: { protectedMachineCount: 85, churnBytesPerDay: 250 * GIGABYTE },
  UpTo150Machines: { protectedMachineCount: 150, churnBytesPerDay: 1_000 * GIGABYTE },
  UpTo225Machines: { protectedMachineCount: 225, churnBytesPerDay: 2_000 * GIGABYTE },
};

/** Why a process server takes no further machine, whatever its churn. */
export const UNUSABLE_REASONS = [
  'decommissioned',
  'disconnected',
  'health_critical',
  'version_not_supported',
  'below_sizing_table',
] as const;
export type UnusableReason = (typeof UNUSABLE_REASONS)[number];

export const ROOM_REASONS = ['machines_unknown', 'no_machine_room', 'churn_unknown', 'no_churn_room'] as const;
export type NoPlaceReason = UnusableReason | (typeof ROOM_REASONS)[number];

export interface CapacityInputs {
  readonly hardware: Hardware;
  readonly lifecycle: Lifecycle;
  readonly connectionState: ConnectionState;
  readonly health: Health;
  readonly versionStatus: VersionStatus;
  /** As last reported. */
  readonly reported: Workload;
}

/** The workload of a process server against its class. */
export interface Capacity {
  readonly sizingClass: SizingClass;
  readonly limits: KnownWorkload;
  readonly reported: Workload;
  /** What is left of the limits: 0 if nothing is left, null if the workload is unknown. */
  readonly room: Workload;
  /** By how much the workload exceeds the class, 0 where it does not or is unknown; null when nothing exceeds it. */
  readonly beyondClass: KnownWorkload | null;
  readonly unusableBecause: readonly UnusableReason[];
}

const left = (limit: number, used: number | null): number | null => (used === null ? null : Math.max(0, limit - used));
const beyond = (limit: number, used: number | null): number => (used === null ? 0 : Math.max(0, used - limit));

export function capacityOf(inputs: CapacityInputs): Capacity {
  const { hardware, reported } = inputs;
  const sizingClass = sizingClassOf(hardware);
  const limits = CLASS_LIMITS[sizingClass];
  const excess = {
    protectedMachineCount: beyond(limits.protectedMachineCount, reported.protectedMachineCount),
    churnBytesPerDay: beyond(limits.churnBytesPerDay, reported.churnBytesPerDay),
  };
  return {
    sizingClass,
    limits,
    reported,
    room: {
      protectedMachineCount: left(limits.protectedMachineCount, reported.protectedMachineCount),
      churnBytesPerDay: left(limits.churnBytesPerDay, reported.churnBytesPerDay),
    },
    beyondClass: excess.protectedMachineCount > 0 || excess.churnBytesPerDay > 0 ? excess : null,
    unusableBecause: unusableReasons(inputs, sizingClass),
  };
}

function unusableReasons(
  { lifecycle, connectionState, health, versionStatus }: CapacityInputs,
  sizingClass: SizingClass,
): UnusableReason[] {
  const applies: Record<UnusableReason, boolean> = {
    decommissioned: lifecycle === 'Decommissioned',
    disconnected: connectionState === 'Disconnected',
    health_critical: health === 'Critical',
    version_not_supported: versionStatus === 'NotSupported',
    below_sizing_table: sizingClass === 'BelowTable',
  };
  return UNUSABLE_REASONS.filter((reason) => applies[reason]);
}

/**
 * Why the next machine has no place on a process server; empty when it has one. Without a churn of the machine, an unknown churn of
 * the process server does not matter, since some agents report none.
 */
export function noPlaceReasons(
  { room, beyondClass, unusableBecause }: Capacity,
  churnBytesPerDay: number | null,
): NoPlaceReason[] {
  const reasons: NoPlaceReason[] = [...unusableBecause];
  if (room.protectedMachineCount === null) reasons.push('machines_unknown');
  else if (room.protectedMachineCount < 1) reasons.push('no_machine_room');
  if (room.churnBytesPerDay === null) {
    if (churnBytesPerDay !== null) reasons.push('churn_unknown');
  } else if (room.churnBytesPerDay < (churnBytesPerDay ?? 0) || (beyondClass && beyondClass.churnBytesPerDay > 0))
    reasons.push('no_churn_room');
  return reasons;
}

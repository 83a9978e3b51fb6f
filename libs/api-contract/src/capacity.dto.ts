import { Transform } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { PageQuery, parseInteger } from './query.dto.js';

/** Query of GET /v1/fleet/capacity. */
export class CapacityQueryParameters extends PageQuery {
  /** Churn of the next machine, in bytes per day. Without it, places are compared by their room for machines. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly churnBytesPerDay?: number;
}

/** Protected machines, and their data change in a day, in bytes. */
export class WorkloadDto {
  readonly protectedMachineCount!: number;
  readonly churnBytesPerDay!: number;
}

/** The same, as reported; null is unknown: never reported, or last reported in an unusable form. */
export class ReportedWorkloadDto {
  readonly protectedMachineCount!: number | null;
  readonly churnBytesPerDay!: number | null;
}

/** A process server against the `limits` of its sizing class, with the `room` that is left of them. */
export class ProcessServerCapacity {
  readonly hostId!: string;
  readonly friendlyName!: string;
  readonly sizingClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';
  readonly limits!: WorkloadDto;
  readonly reported!: ReportedWorkloadDto;
  readonly room!: ReportedWorkloadDto;
  /** By how much the workload exceeds the class; null if it does not. */
  readonly beyondClass!: WorkloadDto | null;
  /** Whether the next machine has a place here. */
  readonly isPlace!: boolean;
  /**
   * Why not: `decommissioned`, `disconnected`, `health_critical`, `version_not_supported`, `below_sizing_table`, `machines_unknown`,
   * `no_machine_room`, `churn_unknown`, `no_churn_room`.
   * @example ['no_machine_room']
   */
  readonly noPlaceReasons!: string[];
}

export class PlaceDto {
  readonly hostId!: string;
  /** Null if the entry was removed meanwhile. */
  readonly friendlyName!: string | null;
  readonly room!: ReportedWorkloadDto;
}

export class AddProcessServerDto {
  readonly needed!: boolean;
  /** With `room_unknown`, some process servers have not reported their workload; with `churn_above_sizing_table`, none could take the machine. */
  readonly reason!:
    'room_available' | 'room_unknown' | 'no_room' | 'no_usable_process_server' | 'churn_above_sizing_table';
  /** The smallest class for the churn of the next machine; null if it exceeds all. */
  readonly smallestClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable' | null;
}

/** Capacity of all process servers together: `room` is the sum of the known rooms of the usable ones. */
export class SiteCapacity {
  /** Registered, Connected, not Critical, of a supported version, and in the sizing table. */
  readonly usableProcessServerCount!: number;
  readonly room!: WorkloadDto;
  /** Usable process servers whose number of machines is unknown. */
  readonly machinesUnknownCount!: number;
  /** Usable process servers whose churn is unknown. */
  readonly churnUnknownCount!: number;
  /** For the next machine; null if none is known. */
  readonly bestPlace!: PlaceDto | null;
  readonly addProcessServer!: AddProcessServerDto;
  /** RFC 3339; up to 5 s old, in a large fleet up to ten times the duration of the count. */
  readonly asOf!: string;
}

/** One page of process servers, with the capacity of the whole site. */
export class CapacityResponse {
  readonly site!: SiteCapacity;
  readonly items!: ProcessServerCapacity[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

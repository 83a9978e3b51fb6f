import { SIZING_TABLE, type SizingClass } from '../registration/sizing.js';
import { CLASS_LIMITS, type Capacity, type KnownWorkload, type Workload } from './capacity.js';

/** A process server that may take the next machine. */
export interface Place {
  readonly hostId: string;
  readonly room: Workload;
}

/** The room of a site: its usable process servers, which are Registered, Connected, not Critical, Supported and in the sizing table. */
export interface SiteRoom {
  readonly usableProcessServerCount: number;
  /** Sum of the known rooms. */
  readonly room: KnownWorkload;
  /** Usable process servers whose room is unknown. */
  readonly machinesUnknownCount: number;
  readonly churnUnknownCount: number;
  /** Most churn room, then most machine room, then the first host id: only where both are known and a machine fits. */
  readonly mostChurnRoom: Place | null;
  /** Most machine room, then most churn room with unknown last, then the first host id. */
  readonly mostMachineRoom: Place | null;
}

export type AddReason =
  /** A process server has room. */
  | 'room_available'
  /** No room is known, but some process servers have not reported their workload. */
  | 'room_unknown'
  | 'no_room'
  | 'no_usable_process_server'
  /** The machine exceeds the largest class, so a further process server would not help. */
  | 'churn_above_sizing_table';

/** Where the next machine of a site should go. */
export interface NextMachine {
  readonly bestPlace: Place | null;
  readonly addProcessServer: {
    readonly needed: boolean;
    readonly reason: AddReason;
    /** The smallest class for the churn of the machine; null if it exceeds all. */
    readonly smallestClass: SizingClass | null;
  };
}

const smallestClassFor = (churnBytesPerDay: number): SizingClass | null =>
  SIZING_TABLE.map(({ sizingClass }) => sizingClass).findLast(
    (sizingClass) => churnBytesPerDay <= CLASS_LIMITS[sizingClass].churnBytesPerDay,
  ) ?? null;

/** The best place for a machine of this churn, in bytes per day; null when its churn is not given. */
export function nextMachine(site: SiteRoom, churnBytesPerDay: number | null): NextMachine {
  const { mostChurnRoom, mostMachineRoom } = site;
  const fits = mostChurnRoom && (mostChurnRoom.room.churnBytesPerDay ?? 0) >= (churnBytesPerDay ?? 0);
  const bestPlace = churnBytesPerDay === null ? mostMachineRoom : fits ? mostChurnRoom : null;
  const smallestClass = smallestClassFor(churnBytesPerDay ?? 0);
  const reason = addReason(site, bestPlace, smallestClass, churnBytesPerDay !== null);
  return {
    bestPlace,
    addProcessServer: {
      needed: reason === 'no_room' || reason === 'no_usable_process_server',
      reason,
      smallestClass,
    },
  };
}

function addReason(
  { usableProcessServerCount, machinesUnknownCount, churnUnknownCount }: SiteRoom,
  bestPlace: Place | null,
  smallestClass: SizingClass | null,
  needsChurn: boolean,
): AddReason {
  if (bestPlace) return 'room_available';
  if (!smallestClass) return 'churn_above_sizing_table';
  if (usableProcessServerCount === 0) return 'no_usable_process_server';
  return machinesUnknownCount > 0 || (needsChurn && churnUnknownCount > 0) ? 'room_unknown' : 'no_room';
}

const byRoom =
  (first: keyof Workload, second: keyof Workload) =>
  (a: Place, b: Place): number =>
    (b.room[first] ?? -1) - (a.room[first] ?? -1) ||
    (b.room[second] ?? -1) - (a.room[second] ?? -1) ||
    (a.hostId < b.hostId ? -1 : 1);

/** The room of a site from the capacity of each of its process servers. A store computes the same in one statement. */
export function siteRoomOf(servers: readonly (Capacity & { readonly hostId: string })[]): SiteRoom {
  const usable = servers.filter(({ unusableBecause }) => unusableBecause.length === 0);
  const sum = (name: keyof Workload): number => usable.reduce((total, { room }) => total + (room[name] ?? 0), 0);
  const unknown = (name: keyof Workload): number => usable.filter(({ room }) => room[name] === null).length;
  const places = usable.filter(
    ({ room, beyondClass }) =>
      (room.protectedMachineCount ?? 0) > 0 && !(beyondClass && beyondClass.churnBytesPerDay > 0),
  );
  const withChurn = places.filter(({ room }) => room.churnBytesPerDay !== null);
  const first = (found: readonly Place[], order: (a: Place, b: Place) => number): Place | null => {
    const [best] = found.toSorted(order);
    return best ? { hostId: best.hostId, room: best.room } : null;
  };
  return {
    usableProcessServerCount: usable.length,
    room: { protectedMachineCount: sum('protectedMachineCount'), churnBytesPerDay: sum('churnBytesPerDay') },
    machinesUnknownCount: unknown('protectedMachineCount'),
    churnUnknownCount: unknown('churnBytesPerDay'),
    mostChurnRoom: first(withChurn, byRoom('churnBytesPerDay', 'protectedMachineCount')),
    mostMachineRoom: first(places, byRoom('protectedMachineCount', 'churnBytesPerDay')),
  };
}

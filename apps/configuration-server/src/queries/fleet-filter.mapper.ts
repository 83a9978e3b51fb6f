import { normalizedName, type FleetFilter } from '@app/fleet';
import { canonicalAddress, type ListProcessServersQuery, type PurgePlanRequest } from '@app/api-contract';

const FILTER_NAMES = [
  'connectionState',
  'lifecycle',
  'versionStatus',
  'health',
  'ipAddress',
  'friendlyName',
  'machineId',
  'possibleDuplicate',
  'passphraseId',
  'enrolmentId',
  'silentForSeconds',
] as const;

/** The filters of a query or body, without absent ones. */
export function toFleetFilter(given: ListProcessServersQuery | PurgePlanRequest): FleetFilter {
  const filter: FleetFilter = Object.fromEntries(
    FILTER_NAMES.map((name) => [name, given[name]]).filter(([, value]) => value !== undefined && value !== null),
  );
  return {
    ...filter,
    ...(filter.ipAddress !== undefined && { ipAddress: canonicalAddress(filter.ipAddress) ?? filter.ipAddress }),
    ...(filter.friendlyName !== undefined && { friendlyName: normalizedName(filter.friendlyName) }),
    ...('neverConnected' in given && given.neverConnected && { neverConnected: given.neverConnected }),
    ...(filter.passphraseId !== undefined && { passphraseId: filter.passphraseId.toLowerCase() }),
    ...(filter.enrolmentId !== undefined && { enrolmentId: filter.enrolmentId.toLowerCase() }),
  };
}

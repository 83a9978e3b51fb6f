import type { EventDto, FleetResponse, ProcessServerDetail, ProcessServerSummary } from '@app/api-contract';
import { formatAge } from './duration.js';
import type { DocumentView, ListView } from './output/printer.js';
import type { Column, Style } from './output/table.js';

const STATE_STYLES: Readonly<Record<string, Style>> = {
  Connected: 'green',
  Disconnected: 'red',
  Normal: 'green',
  Warning: 'yellow',
  Critical: 'red',
  Supported: 'green',
  NotSupported: 'red',
  SecurityUpdateRequired: 'red',
  UpdateRequired: 'yellow',
  Deprecated: 'yellow',
};

export const styleOf = (state: string): Style | null => STATE_STYLES[state] ?? null;

/** Connection state, or that it is leaving. */
const stateOf = ({ lifecycle, connectionState }: ProcessServerSummary): string =>
  lifecycle === 'Decommissioned' ? 'Decommissioned' : connectionState;

const heartbeatAge = ({ lastHeartbeat }: ProcessServerSummary, asOf: string): string =>
  lastHeartbeat === null ? 'never' : `${formatAge(lastHeartbeat, asOf)} ago`;

const summaryColumn = (
  header: string,
  member: keyof ProcessServerSummary,
  options: Partial<Column<ProcessServerSummary>> = {},
): Column<ProcessServerSummary> => ({ header, cell: (item) => item[member], ...options });

export const PROCESS_SERVERS: ListView<ProcessServerSummary> = {
  columns: [
    summaryColumn('NAME', 'friendlyName', { cut: true }),
    summaryColumn('IP ADDRESS', 'ipAddress', { drop: 1 }),
    { header: 'STATE', cell: stateOf, style: (item) => styleOf(stateOf(item)) },
    { ...summaryColumn('HEALTH', 'health', { drop: 2 }), style: ({ health }) => styleOf(health) },
    { header: 'HEARTBEAT', cell: heartbeatAge, drop: 3 },
    { ...summaryColumn('VERSION', 'agentVersion', { drop: 4 }), style: ({ versionStatus }) => styleOf(versionStatus) },
    { header: 'DUPLICATE', cell: ({ possibleDuplicate }) => (possibleDuplicate ? 'possible' : 'no'), drop: 5 },
    summaryColumn('HOST ID', 'hostId', { drop: 6 }),
    summaryColumn('GENERATION', 'generation', { wide: true }),
    summaryColumn('LIFECYCLE', 'lifecycle', { wide: true }),
    summaryColumn('CONNECTION', 'connectionState', { wide: true }),
    summaryColumn('VERSION STATUS', 'versionStatus', { wide: true }),
    summaryColumn('LAST HEARTBEAT', 'lastHeartbeat', { wide: true }),
    summaryColumn('LEASE EXPIRES', 'leaseExpiresAt', { wide: true }),
    summaryColumn('REMOVE BY', 'removeBy', { wide: true }),
    summaryColumn('POSSIBLE DUPLICATE', 'possibleDuplicate', { wide: true }),
  ],
  name: ({ hostId }) => hostId,
  empty: 'No process server matches.',
};

/** The columns of the original dialogue. */
export const DUPLICATE_COLUMNS: readonly Column<ProcessServerSummary & { readonly number: number }>[] = [
  { header: 'S.No', cell: ({ number }) => number },
  { header: 'IP', cell: ({ ipAddress }) => ipAddress },
  { header: 'Name', cell: ({ friendlyName }) => friendlyName, cut: true },
  {
    header: 'Heartbeat',
    cell: (item, asOf) =>
      item.lastHeartbeat === null ? 'never' : `${item.lastHeartbeat} (${heartbeatAge(item, asOf)})`,
  },
  { header: 'State', cell: stateOf, drop: 1 },
  { header: 'Host id', cell: ({ hostId }) => hostId, drop: 2 },
];

export const PROCESS_SERVER: DocumentView<ProcessServerDetail> = { name: ({ hostId }) => hostId };

export const FLEET: DocumentView<FleetResponse> = { name: () => 'fleet' };

export const EVENTS: ListView<EventDto> = {
  columns: [
    { header: 'AT', cell: ({ at }) => at },
    { header: 'KIND', cell: ({ kind }) => kind },
    { header: 'ACTOR', cell: ({ actor }) => actor, cut: true },
    { header: 'HOST ID', cell: ({ hostId }) => hostId, drop: 2 },
    { header: 'DETAIL', cell: ({ detail }) => detailText(detail), drop: 1, cut: true },
    { header: 'GENERATION', cell: ({ generation }) => generation, wide: true },
    { header: 'SOURCE ADDRESS', cell: ({ sourceAddress }) => sourceAddress, wide: true },
    { header: 'REQUEST ID', cell: ({ requestId }) => requestId, wide: true },
    { header: 'ID', cell: ({ id }) => id, wide: true },
  ],
  name: ({ id }) => id ?? '-',
  empty: 'No event matches.',
};

const detailText = (detail: Readonly<Record<string, unknown>>): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');

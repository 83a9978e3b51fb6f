import type { CommandDefinition, OptionDefinition } from '../command.js';

const HOST = { name: 'HOST', meaning: 'host id, name or address of a process server' } as const;

/** Filters of the list and of purge plans. */
export const FILTER_OPTIONS = {
  lifecycle: { value: 'STATE', choices: ['Registered', 'Decommissioned'], meaning: 'only these' },
  'version-status': {
    value: 'STATUS',
    choices: ['Supported', 'NotSupported', 'Deprecated', 'UpdateRequired', 'SecurityUpdateRequired'],
    meaning: 'only these',
  },
  health: { value: 'HEALTH', choices: ['None', 'Normal', 'Warning', 'Critical'], meaning: 'only these' },
  'ip-address': { value: 'IP', meaning: 'exactly this address, in any notation' },
  name: { value: 'PREFIX', meaning: 'names that begin with this text' },
  'machine-id': { value: 'ID', meaning: 'exactly this machine id' },
  'passphrase-id': { value: 'ID', meaning: 'registered with this passphrase' },
  'possible-duplicate': { meaning: 'another entry has the same address, name or machine id' },
  'silent-for': {
    value: 'DURATION',
    meaning: 'silent for at least this time, e.g. 30m or 7d; outages of the server do not count',
  },
} as const satisfies Readonly<Record<string, OptionDefinition>>;

export const PERIOD_OPTIONS = {
  from: { value: 'TIME', meaning: 'at or after this time (RFC 3339), or this long ago, e.g. 2h' },
  to: { value: 'TIME', meaning: 'before this time, or this long ago' },
} as const satisfies Readonly<Record<string, OptionDefinition>>;

/** Commands that look. */
export const QUERIES: readonly CommandDefinition[] = [
  {
    name: 'list',
    summary: 'Lists process servers. All given filters must match.',
    options: {
      'connection-state': { value: 'STATE', choices: ['Connected', 'Disconnected'], meaning: 'only these' },
      ...FILTER_OPTIONS,
      sort: {
        value: 'ORDER',
        choices: ['hostId', 'friendlyName', 'lastHeartbeat'],
        meaning: 'ascending; lastHeartbeat: longest silent first. Default: hostId',
      },
      limit: { value: 'N', meaning: 'at most this many. Default: all' },
    },
    examples: [
      'csctl list --connection-state Disconnected --sort lastHeartbeat',
      'csctl list --possible-duplicate -o json',
    ],
    load: () => import('../commands/list.js'),
  },
  {
    name: 'show',
    summary: 'Shows all that is known of one process server.',
    arguments: [HOST],
    load: () => import('../commands/show.js'),
  },
  {
    name: 'diagnose',
    summary: 'Explains why a process server is in its state, and what to do.',
    arguments: [HOST],
    load: () => import('../commands/diagnose.js'),
  },
  {
    name: 'events',
    summary: 'Lists events of the audit log, newest first, or the history of one process server.',
    description: [
      'A host id may be one that was removed. With --follow, events are printed in the order of their time as they arrive, until Ctrl-C: one JSON object a line, or one YAML document each.',
    ],
    arguments: [{ ...HOST, optional: true }],
    options: {
      follow: { meaning: 'go on with new events' },
      kind: { value: 'KIND', meaning: 'only this kind, e.g. purged; not with HOST' },
      actor: { value: 'ACTOR', meaning: 'only this actor, e.g. operator:admin; not with HOST' },
      ...PERIOD_OPTIONS,
      limit: { value: 'N', meaning: 'at most this many. Default: 50' },
    },
    examples: ['csctl events ps-berlin-1', 'csctl events --kind purged --from 2d', 'csctl events --follow'],
    load: () => import('../commands/events.js'),
  },
  {
    name: 'fleet',
    summary: 'Shows counts of the fleet by state.',
    load: () => import('../commands/fleet.js'),
  },
];

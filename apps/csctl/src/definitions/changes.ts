import type { CommandDefinition, OptionDefinition } from '../command.js';
import { FILTER_OPTIONS } from './queries.js';

const HOST = { name: 'HOST', meaning: 'host id, name or address of a process server' } as const;
const REASON = { value: 'REASON', meaning: 'reason for the audit log' } as const satisfies OptionDefinition;
const YES = { meaning: 'change without a question; required without a terminal' } as const satisfies OptionDefinition;

/** Commands that change process servers. Each prints the context and the server first. */
export const CHANGES: readonly CommandDefinition[] = [
  {
    name: 'unregister',
    summary: 'Lists the entries with an address, asks which one, and purges it.',
    description: [
      'For a machine that cannot be revived. An entry that sent a heartbeat since the list was made is not removed. Without a terminal it needs --yes and exactly one entry with the address; by host id, use "csctl purge".',
    ],
    options: {
      'ip-address': { value: 'IP', meaning: 'address of the process server', required: true },
      component: { value: 'PS', choices: ['PS'], meaning: 'kind of the entry', required: true },
      reason: { ...REASON, meaning: 'reason for the audit log. Default: the machine cannot be revived' },
      yes: YES,
    },
    changes: true,
    examples: ['csctl unregister --ip-address 10.101.23.145 --component PS'],
    load: () => import('../commands/unregister.js'),
  },
  {
    name: 'purge',
    summary: 'Removes a process server that cannot speak any more, or all that match a filter.',
    description: [
      'With HOST, one entry: it must be Disconnected or Decommissioned, unless --force. With filters, only Disconnected entries: first --dry-run, then --apply with the number of candidates that it showed. More than 1,000 candidates are purged in slices; after an interruption, the same command with the number that is left goes on.',
    ],
    arguments: [{ ...HOST, optional: true }],
    options: {
      reason: { ...REASON, meaning: 'reason for the audit log; required for every removal' },
      force: { meaning: 'even if machines are protected through it; with HOST also if it is Connected' },
      ...FILTER_OPTIONS,
      'never-connected': { meaning: 'only entries that have never sent a heartbeat' },
      'dry-run': { meaning: 'show the candidates and what would keep each from being purged; change nothing' },
      apply: { meaning: 'purge the candidates' },
      expect: {
        value: 'N',
        meaning: 'number of candidates that --dry-run showed; with another number nothing is purged',
      },
      'acknowledge-share': { meaning: 'agree that the candidates are a large share of the fleet' },
      yes: YES,
    },
    changes: true,
    examples: [
      'csctl purge ps-berlin-1 --reason "machine was scrapped"',
      'csctl purge --silent-for 7d --dry-run',
      'csctl purge --silent-for 7d --apply --expect 12 --reason "site was closed"',
    ],
    load: () => import('../commands/purge.js'),
  },
  {
    name: 'decommission',
    summary: 'Marks a Connected process server for removal within 15 minutes.',
    arguments: [HOST],
    options: {
      reason: { ...REASON, required: true },
      force: { meaning: 'even if machines are protected through it' },
      yes: YES,
    },
    changes: true,
    examples: [
      'csctl decommission ps-berlin-1 --reason "replaced" --yes && csctl wait ps-berlin-1 --for gone --timeout 15m',
    ],
    load: () => import('../commands/decommission.js'),
  },
  {
    name: 'revoke-credential',
    summary: 'Revokes the credential of a process server; it has to register again.',
    arguments: [HOST],
    options: { reason: { ...REASON, required: true }, yes: YES },
    changes: true,
    load: () => import('../commands/revoke-credential.js'),
  },
  {
    name: 'wait',
    summary: 'Waits until a process server is in a state.',
    description: [
      'A state that is already true ends the wait at once. A process server without an entry counts as gone.',
    ],
    arguments: [HOST],
    options: {
      for: { value: 'STATE', meaning: 'connected, disconnected, gone, or version=V', required: true },
      timeout: { value: 'DURATION', meaning: 'exit code 7 after this time. Default: 5m' },
    },
    examples: ['csctl wait ps-berlin-1 --for connected --timeout 10m'],
    load: () => import('../commands/wait.js'),
  },
];

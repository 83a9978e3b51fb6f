import type { CommandDefinition, OptionDefinition } from '../command.js';
import { PERIOD_OPTIONS } from './queries.js';

const YES = { meaning: 'change without a question; required without a terminal' } as const satisfies OptionDefinition;
const FILE = (what: string) =>
  ({
    value: 'FILE',
    meaning: `store ${what} in this new file, readable by its owner only; required without a terminal`,
  }) as const satisfies OptionDefinition;

/** Keys, secrets, the catalogue and the audit log. A secret is never in an argument. */
export const ADMINISTRATION: readonly CommandDefinition[] = [
  {
    name: 'capacity',
    summary: 'Shows the room on each process server and on the site, and the best place for the next machine.',
    options: {
      'churn-bytes-per-day': { value: 'N', meaning: 'data change of the next machine in a day' },
    },
    load: () => import('../commands/capacity.js'),
  },
  {
    name: 'releases list',
    summary: 'Lists the release catalogue.',
    options: {
      component: {
        value: 'COMPONENT',
        choices: ['ProcessServer', 'ConfigurationServer', 'MobilityService'],
        meaning: 'only these',
      },
      'os-type': { value: 'OS', choices: ['Windows', 'Linux'], meaning: 'only these' },
    },
    load: () => import('../commands/releases-list.js'),
  },
  {
    name: 'upgrade-readiness',
    summary: 'Shows how each process server can be upgraded, or what blocks it.',
    options: {
      target: { value: 'VERSION', meaning: 'version to upgrade to. Default: the latest supported release' },
    },
    load: () => import('../commands/upgrade-readiness.js'),
  },
  {
    name: 'enrolments list',
    summary: 'Lists the enrolments of new process servers, without their tokens.',
    load: () => import('../commands/enrolments-list.js'),
  },
  {
    name: 'enrolments create',
    summary: 'Creates a file with which new process servers register.',
    options: {
      note: { value: 'TEXT', meaning: 'purpose or recipient, for the audit log', required: true },
      registrations: { value: 'N', meaning: 'how many process servers may register. Default: 1' },
      expires: { value: 'TIME', meaning: 'end (RFC 3339), or the time until then, e.g. 2d. Default: in five days' },
      file: FILE('the enrolment file'),
    },
    changes: true,
    examples: ['csctl enrolments create --note "second process server in Berlin" --file enrolment.json'],
    load: () => import('../commands/enrolments-create.js'),
  },
  {
    name: 'enrolments revoke',
    summary: 'Revokes an enrolment: no further process server can register with it.',
    arguments: [{ name: 'ENROLMENT_ID', meaning: 'id of an enrolment' }],
    options: { yes: YES },
    changes: true,
    load: () => import('../commands/enrolments-revoke.js'),
  },
  {
    name: 'keys list',
    summary: 'Lists the API keys, without their secrets.',
    load: () => import('../commands/keys-list.js'),
  },
  {
    name: 'keys create',
    summary: 'Creates an API key.',
    arguments: [{ name: 'NAME', meaning: 'user of the key, for the audit log' }],
    options: {
      role: { value: 'ROLE', choices: ['reader', 'operator', 'admin'], meaning: 'what it permits', required: true },
      expires: { value: 'TIME', meaning: 'end (RFC 3339), or the time until then, e.g. 90d. Default: never' },
      file: FILE('the key'),
    },
    changes: true,
    examples: ['csctl keys create portal --role reader --file portal.key'],
    load: () => import('../commands/keys-create.js'),
  },
  {
    name: 'keys revoke',
    summary: 'Revokes an API key.',
    arguments: [{ name: 'KEY', meaning: 'id or name of a key' }],
    options: { yes: YES },
    changes: true,
    load: () => import('../commands/keys-revoke.js'),
  },
  {
    name: 'passphrase list',
    summary: 'Lists the passphrases, without their secrets.',
    load: () => import('../commands/passphrase-list.js'),
  },
  {
    name: 'passphrase rotate',
    summary: 'Replaces the passphrase; the server stores the new one in a file on its machine.',
    options: {
      overlap: { value: 'DURATION', meaning: 'how long the earlier ones stay valid; 0s ends them at once' },
      yes: YES,
    },
    changes: true,
    load: () => import('../commands/passphrase-rotate.js'),
  },
  {
    name: 'audit export',
    summary: 'Exports events of the audit log as JSON lines, oldest first.',
    options: {
      kind: { value: 'KIND', meaning: 'only this kind' },
      actor: { value: 'ACTOR', meaning: 'only this actor' },
      'host-id': { value: 'ID', meaning: 'only this process server' },
      ...PERIOD_OPTIONS,
      file: { value: 'FILE', meaning: 'write to this new file instead of stdout' },
    },
    printsOwnFormat: true,
    examples: ['csctl audit export --from 2026-11-01T00:00:00Z --file audit.jsonl'],
    load: () => import('../commands/audit-export.js'),
  },
];

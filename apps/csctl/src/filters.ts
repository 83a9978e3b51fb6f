import type { ListProcessServersQuery } from '@app/api-contract';
import { parseDuration } from './duration.js';
import type { Invocation } from './invocation.js';

type Filter = Pick<
  ListProcessServersQuery,
  | 'lifecycle'
  | 'versionStatus'
  | 'health'
  | 'ipAddress'
  | 'friendlyName'
  | 'machineId'
  | 'passphraseId'
  | 'possibleDuplicate'
  | 'silentForSeconds'
>;

/** The filters that the options name; their values are checked by the server, or by the table of commands. */
export function filterOf(invocation: Invocation): Filter {
  const members: Readonly<Record<keyof Filter, string | number | boolean | undefined>> = {
    lifecycle: invocation.text('lifecycle'),
    versionStatus: invocation.text('version-status'),
    health: invocation.text('health'),
    ipAddress: invocation.text('ip-address'),
    friendlyName: invocation.text('name'),
    machineId: invocation.text('machine-id'),
    passphraseId: invocation.text('passphrase-id'),
    possibleDuplicate: invocation.flag('possible-duplicate') || undefined,
    silentForSeconds: invocation.duration('silent-for'),
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Filter;
}

/** Start and end of `--from` and `--to`. @throws CliError if one is neither a time nor a duration. */
export function periodOf(invocation: Invocation): { readonly from?: string; readonly to?: string } {
  const from = timeOf(invocation, 'from');
  const to = timeOf(invocation, 'to');
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** The end that an option names as a time, or as the duration until then. @throws CliError if it is neither. */
export const timeAheadOf = (invocation: Invocation, option: string): string | undefined =>
  timeOf(invocation, option, 1);

function timeOf(invocation: Invocation, option: string, direction: 1 | -1 = -1): string | undefined {
  const text = invocation.text(option);
  if (text === undefined) return undefined;
  const seconds = parseDuration(text);
  const at = seconds === null ? Date.parse(text) : Date.now() + direction * seconds * 1000;
  if (Number.isNaN(at) || (seconds === null && !/^\d{4}-\d\d-\d\d/.test(text)))
    throw invocation.usageError(`--${option} is "${text}", but must be a time such as 2026-11-29T08:00:00Z, or 2h.`);
  return new Date(at).toISOString();
}

import { isIP } from 'node:net';
import { ApiProblemError, type OperatorClient } from '@app/api-client';
import type { ListProcessServersQuery, ProcessServerDetail, ProcessServerSummary } from '@app/api-contract';
import { CliError, EXIT_CODES } from '@app/cli';
import type { Invocation } from './invocation.js';
import { Table } from './output/table.js';
import { DUPLICATE_COLUMNS } from './views.js';

export const HOST_ARGUMENT = { name: 'HOST', meaning: 'host id, name or address of a process server' } as const;

/** More entries than this with one name or address are shown in part. */
const MAX_CANDIDATES = 100;

export const isHostId = (text: string): boolean => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);

/**
 * The one process server that an argument means. Of several with the same name or address a person chooses.
 * @throws CliError not found; usage, with the candidates, if there are several and no terminal.
 */
export async function resolveHost(invocation: Invocation, host: string): Promise<ProcessServerDetail> {
  const found = await findHost(invocation, host);
  if (found) return found;
  throw await notFound(invocation, host);
}

/** Like resolveHost, but null if there is none. */
export async function findHost(invocation: Invocation, host: string): Promise<ProcessServerDetail | null> {
  const { client } = invocation;
  if (isHostId(host)) return detailOrNull(client, host);
  const candidates = await findCandidates(client, host);
  const chosen = candidates.length > 1 ? await chooseCandidate(invocation, host, candidates) : candidates[0];
  return chosen ? detailOrNull(client, chosen.hostId) : null;
}

/** The host id that an argument means; a host id need not have an entry any more. */
export async function resolveHostId(invocation: Invocation, host: string): Promise<string> {
  return isHostId(host) ? host : (await resolveHost(invocation, host)).hostId;
}

async function detailOrNull(client: OperatorClient, hostId: string): Promise<ProcessServerDetail | null> {
  try {
    return await client.processServer(hostId);
  } catch (error) {
    if (error instanceof ApiProblemError && error.problem.code === 'process_server_not_found') return null;
    throw error;
  }
}

/** Entries with exactly this address or name. */
export async function findCandidates(client: OperatorClient, host: string): Promise<ProcessServerSummary[]> {
  if (isIP(host) !== 0) return collect(client, { ipAddress: host }, () => true);
  const wanted = comparable(host);
  // In the order of names, an exact match precedes every longer name.
  return collect(
    client,
    { friendlyName: host, sort: 'friendlyName' },
    ({ friendlyName }) => comparable(friendlyName) === wanted,
  );
}

/** Compares as the server does: in NFC, ignoring case only. */
const comparable = (name: string): string => name.normalize('NFC').toLowerCase();

async function collect(
  client: OperatorClient,
  query: ListProcessServersQuery,
  matches: (item: ProcessServerSummary) => boolean,
): Promise<ProcessServerSummary[]> {
  const found: ProcessServerSummary[] = [];
  let cursor: string | null = null;
  do {
    const page = await client.processServers({ ...query, limit: MAX_CANDIDATES, ...(cursor !== null && { cursor }) });
    for (const item of page.items) {
      if (!matches(item)) return found;
      found.push(item);
    }
    cursor = page.nextCursor;
  } while (cursor !== null && found.length < MAX_CANDIDATES);
  return found;
}

async function chooseCandidate(
  invocation: Invocation,
  host: string,
  candidates: readonly ProcessServerSummary[],
): Promise<ProcessServerSummary | undefined> {
  const { terminal } = invocation;
  const asOf = new Date().toISOString();
  const numbered = candidates.map((candidate, index) => ({ ...candidate, number: index + 1 }));
  const table = new Table(DUPLICATE_COLUMNS, { width: terminal.width, isWide: false, paint: (_style, text) => text });
  terminal.say(`${candidates.length} process servers match "${host}":`, ...table.lines(numbered, asOf));
  if (!terminal.isInteractive)
    throw new CliError(EXIT_CODES.usage, `"${host}" is ambiguous.`, 'Repeat with a host id.');
  return candidates[(await askNumber(invocation, candidates.length)) - 1];
}

/** @throws CliError if the answer is no number of the table. */
export async function askNumber({ terminal }: Invocation, count: number): Promise<number> {
  const answer = await terminal.ask(`S.No (1 to ${count}): `);
  const number = Number(answer);
  if (/^\d{1,9}$/.test(answer) && number >= 1 && number <= count) return number;
  throw new CliError(EXIT_CODES.usage, `"${answer}" is not a number from 1 to ${count}: nothing was changed.`);
}

async function notFound({ client }: Invocation, host: string): Promise<CliError> {
  const message = `There is no process server "${host}".`;
  const isPrefix = !isHostId(host) && isIP(host) === 0;
  const similar = isPrefix
    ? (await client.processServers({ friendlyName: host, sort: 'friendlyName', limit: 5 })).items
    : [];
  const names = [...new Set(similar.map(({ friendlyName }) => friendlyName))];
  const advice =
    names.length > 0
      ? `Names that begin with it: ${names.join(', ')}`
      : 'Look for it: csctl list --name PREFIX. If it was removed: csctl events HOST_ID';
  return new CliError(EXIT_CODES.notFound, message, advice);
}

import { setTimeout as pause } from 'node:timers/promises';
import { ApiProblemError } from '@app/api-client';
import type { EventDto, EventList } from '@app/api-contract';
import { EXIT_CODES, type ExitCode } from '@app/cli';
import { periodOf } from '../filters.js';
import { isHostId, resolveHostId } from '../hosts.js';
import type { Invocation } from '../invocation.js';
import { pages } from '../pages.js';
import { EVENTS } from '../views.js';

const DEFAULT_LIMIT = 50;
const POLL_MS = 1_000;
/** The newest events become visible up to this late. */
const OVERLAP_MS = 10_000;

interface Query {
  readonly limit: number;
  readonly cursor?: string;
  readonly from?: string;
  readonly to?: string;
  readonly order: 'oldest' | 'newest';
}

export async function run(invocation: Invocation): Promise<ExitCode | void> {
  const read = await reader(invocation);
  const period = periodOf(invocation);
  const limit = invocation.integer('limit', 1, 100_000_000) ?? DEFAULT_LIMIT;
  if (invocation.flag('follow')) return follow(invocation, read, period.from ?? new Date().toISOString());
  await invocation.printer.list(
    pages((page) => read({ ...page, ...period, order: 'newest' }), limit),
    EVENTS,
  );
}

async function reader(invocation: Invocation): Promise<(query: Query) => Promise<EventList>> {
  const { client } = invocation;
  const kind = invocation.text('kind');
  const actor = invocation.text('actor');
  const host = invocation.argument(0);
  const filter = { ...(kind !== undefined && { kind }), ...(actor !== undefined && { actor }) };
  if (host === undefined) return (query) => client.events({ ...query, ...filter });
  if (kind !== undefined || actor !== undefined)
    throw invocation.usageError('--kind and --actor are for all hosts: leave out HOST.');
  const hostId = await resolveHostId(invocation, host);
  const isRemoved = isHostId(host) && (await client.timeline(hostId, { limit: 1 }).then(() => false, isNotFound));
  return (query) => (isRemoved ? client.events({ ...query, hostId }) : client.timeline(hostId, query));
}

/** A removed process server has no timeline; its events are in the audit log. */
function isNotFound(error: unknown): boolean {
  if (error instanceof ApiProblemError && error.problem.code === 'process_server_not_found') return true;
  throw error;
}

/** Prints events until Ctrl-C or until the reader of the output is gone; a lost server is stated, and tried again. */
async function follow(
  { printer, signal, terminal }: Invocation,
  read: (query: Query) => Promise<EventList>,
  start: string,
): Promise<ExitCode> {
  const print = printer.follow(EVENTS);
  const seen = new Map<string, number>();
  let cursor: string | null = null;
  let isAway = false;
  while (!signal.aborted && !printer.isClosed) {
    try {
      const page: EventList = await read({
        limit: 1_000,
        order: 'oldest',
        from: start,
        ...(cursor !== null && { cursor }),
      });
      if (isAway) terminal.say('The server answers again.');
      isAway = false;
      await print(page.items.filter(isNew(seen)), page.asOf);
      forget(seen, Date.parse(page.asOf) - 6 * OVERLAP_MS);
      cursor = page.followCursor ?? cursor;
      if (page.nextCursor !== null) continue;
    } catch (error) {
      if (signal.aborted) break;
      if (error instanceof ApiProblemError && error.problem.status < 500) throw error;
      if (!isAway) terminal.say('The server does not answer; trying again every second.');
      isAway = true;
    }
    await pause(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
  return printer.isClosed ? EXIT_CODES.ok : EXIT_CODES.interrupted;
}

const isNew =
  (seen: Map<string, number>) =>
  ({ id, at }: EventDto): boolean => {
    if (id === null || seen.has(id)) return false;
    seen.set(id, Date.parse(at));
    return true;
  };

function forget(seen: Map<string, number>, before: number): void {
  for (const [id, at] of seen) if (at < before) seen.delete(id);
}

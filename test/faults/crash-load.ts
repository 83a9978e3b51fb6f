import { createHash, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { type Connection, type RowDataPacket } from 'mysql2/promise';
import { registrationOf } from '../support/server-program.js';

type CallKind =
  'register' | 'heartbeat' | 'heartbeat of an older generation' | 'unregister' | 'purge' | 'purge by force';

/** The expected state of one host id after its acknowledged calls. */
interface Known {
  readonly state: 'nowhere' | 'registered' | 'decommissioned' | 'purged' | 'removed';
  readonly generation: number;
  /** Null if the response with it was lost. */
  readonly credential: string | null;
  /** The counter of the last accepted heartbeat. */
  readonly counter: number | null;
  /** The client's clock just before it sent that heartbeat; null for a generation without one. */
  readonly heartbeatSentAtMs: number | null;
  /** `removeBy` or `purgedAt` of the response. */
  readonly promised: string | null;
  /** The kind and generation of every change. */
  readonly events: readonly string[];
}

/** Identifies a heartbeat. */
interface Mark {
  readonly counter: number;
  readonly sentAtMs: number;
}

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

const NOWHERE: Known = {
  state: 'nowhere',
  generation: 0,
  credential: null,
  counter: null,
  heartbeatSentAtMs: null,
  promised: null,
  events: [],
};
const isGone = ({ state }: Known): boolean => state === 'nowhere' || state === 'purged' || state === 'removed';

/** A decommissioned entry may be removed by the clean-up at any time. */
function withCleanUp(known: Known): Known[] {
  if (known.state !== 'decommissioned') return [known];
  return [
    known,
    {
      ...known,
      state: 'removed',
      counter: null,
      promised: null,
      events: [...known.events, `removed ${known.generation}`],
    },
  ];
}

/** The state after an accepted call, and its status; null if the call must be rejected. */
function accepted(
  kind: CallKind,
  known: Known,
  { counter, sentAtMs }: Mark,
): { readonly status: number; readonly known: Known } | null {
  const { state, generation, events } = known;
  switch (kind) {
    case 'register': {
      const event = `${isGone(known) ? 'registered' : 'registered_again'} ${generation + 1}`;
      const next: Known = {
        ...known,
        state: 'registered',
        generation: generation + 1,
        credential: null,
        counter: isGone(known) ? null : known.counter,
        heartbeatSentAtMs: null,
        promised: null,
        events: [...events, event],
      };
      return { status: isGone(known) ? 201 : 200, known: next };
    }
    case 'heartbeat':
      return state === 'registered' ? { status: 200, known: { ...known, counter, heartbeatSentAtMs: sentAtMs } } : null;
    case 'heartbeat of an older generation':
      return null;
    case 'unregister':
      if (state === 'registered')
        return {
          status: 202,
          known: {
            ...known,
            state: 'decommissioned',
            promised: null,
            events: [...events, `decommissioned ${generation}`],
          },
        };
      return state === 'decommissioned' ? { status: 202, known } : null;
    case 'purge':
    case 'purge by force': {
      if (state === 'purged') return { status: 200, known };
      const event = `${kind === 'purge' ? 'purged' : 'purged_by_force'} ${generation}`;
      return isGone(known)
        ? null
        : {
            status: 200,
            known: { ...known, state: 'purged', counter: null, promised: null, events: [...events, event] },
          };
    }
  }
}

/** The possible rejections of the call, as status and code. */
function rejections(kind: CallKind, known: Known): string[] {
  if (kind === 'heartbeat of an older generation' && known.state === 'registered') return ['409 generation_superseded'];
  if (kind === 'purge' && known.state === 'registered') return ['409 process_server_connected'];
  return accepted(kind, known, { counter: 0, sentAtMs: 0 }) ? [] : ['410 generation_retired'];
}

/** The stored state of one host, in the format of `keyOf`. */
interface Stored {
  readonly key: string;
  readonly credentialHash: string | null;
  readonly lastHeartbeatAtMs: number | null;
  readonly promised: string | null;
}

const keyOf = ({
  state,
  generation,
  counter,
  events,
}: Pick<Known, 'state' | 'generation' | 'counter' | 'events'>): string =>
  `${state} ${generation}, counter ${counter}, events: ${[...events].sort().join(', ')}`;

/** One host id and its journal. Its calls are sequential, so at most one of them has an unknown outcome. */
class Host {
  readonly hostId: string = randomUUID();
  known = NOWHERE;
  olderCredential: { readonly generation: number; readonly credential: string } | null = null;
  /** The other possible states after a call without a response. */
  private alternatives: Known[] | null = null;
  private lastCounter = 0;

  get isInDoubt(): boolean {
    return this.alternatives !== null;
  }

  nextCounter(): number {
    return (this.lastCounter += 1);
  }

  /** @throws Error if the response contradicts an earlier acknowledgement. */
  recordResponse(kind: CallKind, before: readonly Known[], reply: Reply, mark: Mark): void {
    const { status, body } = reply;
    if (status < 300) {
      const matching = before
        .flatMap((known) => accepted(kind, known, mark) ?? [])
        .filter((outcome) => outcome.status === status);
      const [outcome] = matching;
      if (!outcome) throw this.contradiction(kind, reply);
      this.known = this.withResponse(kind, outcome.known, reply);
      return;
    }
    if (status === 429) return;
    const matching = before.find((known) => rejections(kind, known).includes(`${status} ${String(body['code'])}`));
    if (!matching) throw this.contradiction(kind, reply);
    this.known = matching;
  }

  recordLostResponse(kind: CallKind, before: readonly Known[], mark: Mark): void {
    this.alternatives = before.flatMap((known) => accepted(kind, known, mark)?.known ?? []);
  }

  /** After a restart: the stored state is the acknowledged one, with or without the call of unknown outcome. */
  reconcile(stored: Stored): void {
    const possible = [this.known, ...(this.alternatives ?? [])].flatMap(withCleanUp);
    const found = possible.find((known) => keyOf(known) === stored.key);
    if (!found)
      throw new Error(
        `${this.hostId} has a stored state that no acknowledged call explains.\nstored:   ${stored.key}\npossible: ${possible.map(keyOf).join('\n          ')}`,
      );
    const violations = [
      found.state === 'registered' &&
        found.credential &&
        hashOf(found.credential) !== stored.credentialHash &&
        'the acknowledged credential is not the stored one',
      found.state === 'registered' &&
        found.heartbeatSentAtMs !== null &&
        !((stored.lastHeartbeatAtMs ?? 0) >= found.heartbeatSentAtMs - CLOCK_TOLERANCE_MS) &&
        'the last heartbeat is earlier than the acknowledged one',
      found.promised &&
        found.promised !== stored.promised &&
        `${found.promised} was promised, ${stored.promised} is stored`,
    ].filter(Boolean);
    if (violations.length > 0) throw new Error(`${this.hostId} (${stored.key}): ${violations.join('; ')}`);
    this.known = found;
    this.alternatives = null;
  }

  private withResponse(kind: CallKind, known: Known, reply: Reply): Known {
    const { generation, credential, removeBy, purgedAt, hostId } = reply.body;
    if (kind === 'register') {
      if (generation !== known.generation || hostId !== this.hostId) throw this.contradiction(kind, reply);
      if (this.known.credential)
        this.olderCredential = { generation: this.known.generation, credential: this.known.credential };
      return { ...known, credential: String(credential) };
    }
    const promised = removeBy ?? purgedAt;
    if (typeof promised !== 'string') return known;
    // A repeated call returns the same.
    if (known.promised !== null && known.promised !== promised) throw this.contradiction(kind, reply);
    return { ...known, promised };
  }

  private contradiction(kind: CallKind, { status, body }: Reply): Error {
    return new Error(
      `${kind} of ${this.hostId} (${keyOf(this.known)}, promised ${this.known.promised}) returned ${status} ${JSON.stringify(body)}`,
    );
  }
}

/** The tests and the database share one clock; the server measures its offset to it. */
const CLOCK_TOLERANCE_MS = 250;
const hashOf = (credential: string): string => createHash('sha256').update(credential).digest('hex');

/** One client with its own connection and hosts. */
class Client {
  readonly hosts: Host[];
  acknowledged = 0;
  unanswered = 0;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(
    hostCount: number,
    private readonly fraction: () => number,
  ) {
    this.hosts = Array.from({ length: hostCount }, () => new Host());
  }

  /** Calls until it is stopped, or until every active host has a call of unknown outcome. */
  async run(url: string, secrets: Secrets, shouldContinue: () => boolean): Promise<void> {
    // The other hosts are silent in this round, so that some leases expire.
    const active = this.hosts.filter(() => this.fraction() < 0.5);
    for (;;) {
      const free = active.filter(({ isInDoubt }) => !isInDoubt);
      const host = free[Math.floor(this.fraction() * free.length)];
      if (!shouldContinue() || !host) return;
      await this.call(url, secrets, host, this.chosenFor(host));
    }
  }

  /** Makes one call, and records its response in the journal. */
  async call(url: string, secrets: Secrets, host: Host, kind: CallKind): Promise<void> {
    const before = withCleanUp(host.known);
    const mark = { counter: kind === 'heartbeat' ? host.nextCounter() : 0, sentAtMs: Date.now() };
    let reply: Reply;
    try {
      reply = await this.send(url, secrets, host, kind, mark.counter);
    } catch {
      reply = { status: 0, body: {} };
    }
    if (reply.status === 0 || reply.status >= 500) {
      this.unanswered += 1;
      host.recordLostResponse(kind, before, mark);
    } else {
      if (reply.status < 300) this.acknowledged += 1;
      host.recordResponse(kind, before, reply, mark);
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private chosenFor({ known, olderCredential }: Host): CallKind {
    const draw = this.fraction();
    if (!known.credential) return known.state === 'registered' && draw < 0.2 ? 'purge by force' : 'register';
    if (known.state !== 'registered')
      return draw < 0.3 ? 'register' : draw < 0.7 ? 'heartbeat' : draw < 0.85 ? 'unregister' : 'purge';
    if (draw < 0.7) return 'heartbeat';
    if (draw < 0.8) return 'register';
    if (draw < 0.86) return olderCredential ? 'heartbeat of an older generation' : 'heartbeat';
    return draw < 0.92 ? 'unregister' : draw < 0.96 ? 'purge' : 'purge by force';
  }

  private send(
    url: string,
    { passphrase, adminKey }: Secrets,
    host: Host,
    kind: CallKind,
    counter: number,
  ): Promise<Reply> {
    const { hostId, known, olderCredential } = host;
    const path = `${url}/v1/process-servers/${hostId}`;
    const credential = `Bearer ${known.credential}`;
    switch (kind) {
      case 'register':
        return this.exchange('PUT', path, `Passphrase ${passphrase}`, registrationOf(hostId));
      case 'heartbeat':
        return this.exchange('POST', `${path}/heartbeats`, credential, {
          generation: known.generation,
          agentVersion: '1.0.0.0',
          replicationPairCount: counter,
        });
      case 'heartbeat of an older generation':
        // No accepted heartbeat has this number, so a check would find it if it were written.
        return this.exchange('POST', `${path}/heartbeats`, `Bearer ${olderCredential?.credential}`, {
          generation: olderCredential?.generation,
          agentVersion: '1.0.0.0',
          replicationPairCount: 999_999,
        });
      case 'unregister':
        return this.exchange('DELETE', path, credential);
      case 'purge':
      case 'purge by force':
        return this.exchange('POST', `${path}/purge`, `Bearer ${adminKey}`, {
          generation: known.generation,
          reason: 'crash test',
          force: kind === 'purge by force',
        });
    }
  }

  private exchange(method: string, url: string, authorization: string, body?: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers = { authorization, ...(body && { 'content-type': 'application/json' }) };
      const sent = request(url, { agent: this.agent, method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        // A truncated response is no acknowledgement.
        response
          .once('error', reject)
          .once('end', () =>
            response.complete
              ? resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Reply['body'] })
              : reject(new Error('truncated response')),
          );
      });
      sent.once('error', reject).end(body && JSON.stringify(body));
    });
  }
}

export interface Secrets {
  readonly passphrase: string;
  readonly adminKey: string;
}

const CHANGES = [
  'registered',
  'registered_again',
  'replaced',
  'decommissioned',
  'decommissioned_by_force',
  'removed',
  'purged',
  'purged_by_force',
];

/** Sixteen clients, their hosts, and the journal of their responses. */
export class CrashLoad {
  private readonly clients: Client[];

  constructor(fraction: () => number, { clients = 16, hostsEach = 8 } = {}) {
    this.clients = Array.from({ length: clients }, () => new Client(hostsEach, fraction));
  }

  get acknowledged(): number {
    return this.clients.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  get unanswered(): number {
    return this.clients.reduce((sum, { unanswered }) => sum + unanswered, 0);
  }

  /** The number of hosts in each state. */
  states(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { hosts } of this.clients)
      for (const { known } of hosts) counts[known.state] = (counts[known.state] ?? 0) + 1;
    return counts;
  }

  async run(url: string, secrets: Secrets, shouldContinue: () => boolean): Promise<void> {
    await Promise.all(this.clients.map((client) => client.run(url, secrets, shouldContinue)));
  }

  /** Sends one more heartbeat from every host that must be rejected now. */
  async lateHeartbeats(url: string, secrets: Secrets): Promise<void> {
    for (const client of this.clients) {
      for (const host of client.hosts) {
        if (host.known.credential && isGone(host.known)) await client.call(url, secrets, host, 'heartbeat');
      }
    }
  }

  /** Compares the journal with the tables. @throws Error that names the host and both states. */
  async check(connection: Connection): Promise<void> {
    const rows = async <Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> =>
      (await connection.query<RowDataPacket[]>(sql, parameters))[0] as Row[];
    // One snapshot, because the clean-up continues meanwhile.
    await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const entries = await rows<EntryRow>(ENTRIES);
    const events = await rows<{ host_id: string; event: string }>(
      "SELECT host_id, CONCAT(kind, ' ', generation) AS event FROM event WHERE kind IN (?)",
      [CHANGES],
    );
    const [orphans] = await rows<{ orphans: number }>(ORPHANS);
    await connection.query('COMMIT');

    if (orphans?.orphans !== 0)
      throw new Error(`${orphans?.orphans} rows have no process server, or another generation than it`);
    const entryOf = new Map(entries.map((entry) => [entry.host_id, entry]));
    const eventsOf = new Map<string, string[]>();
    for (const { host_id, event } of events) eventsOf.set(host_id, [...(eventsOf.get(host_id) ?? []), event]);
    for (const host of this.clients.flatMap(({ hosts }) => hosts))
      host.reconcile(storedOf(entryOf.get(host.hostId), eventsOf.get(host.hostId) ?? []));
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}

interface EntryRow {
  readonly host_id: string;
  readonly state: Known['state'];
  readonly generation: number;
  readonly counter: number | null;
  readonly credential_hash: string | null;
  readonly last_heartbeat_at: Date | null;
  readonly promised: Date | null;
}

const ENTRIES = `
  SELECT ps.host_id, IF(ps.decommissioned_at IS NULL, 'registered', 'decommissioned') AS state, ps.generation,
         h.replication_pair_count AS counter, LOWER(HEX(l.credential_hash)) AS credential_hash, l.last_heartbeat_at, ps.remove_by AS promised
    FROM process_server AS ps
    LEFT JOIN process_server_lease AS l ON l.host_id = ps.host_id AND l.retired = (ps.decommissioned_at IS NOT NULL)
    LEFT JOIN process_server_health AS h ON h.host_id = ps.host_id
  UNION ALL
  SELECT t.host_id, IF(t.removal = 'purge', 'purged', 'removed'), t.generation, NULL, NULL, NULL, t.removed_at
    FROM tombstone AS t`;

/** Children without their parent or of another generation, parents without their children, entries with a tombstone, and counter errors. */
const ORPHANS = `
  SELECT (SELECT COUNT(*) FROM process_server_lease AS l LEFT JOIN process_server AS ps ON ps.host_id = l.host_id AND ps.generation = l.generation WHERE ps.host_id IS NULL)
       + (SELECT COUNT(*) FROM process_server_health AS h LEFT JOIN process_server AS ps ON ps.host_id = h.host_id WHERE ps.host_id IS NULL)
       + (SELECT COUNT(*) FROM process_server AS ps LEFT JOIN process_server_lease AS l ON l.host_id = ps.host_id WHERE l.host_id IS NULL)
       + (SELECT COUNT(*) FROM process_server AS ps LEFT JOIN process_server_health AS h ON h.host_id = ps.host_id WHERE h.host_id IS NULL)
       + (SELECT COUNT(*) FROM process_server AS ps JOIN tombstone AS t ON t.host_id = ps.host_id)
       + (SELECT COUNT(*) FROM (SELECT 1 FROM (SELECT t.version_key, t.os_key, t.decommissioned, t.entries FROM fleet_counter_delta AS t
                                               UNION ALL SELECT ps.version_key, ps.os_key, ps.decommissioned_at IS NOT NULL, -1 FROM process_server AS ps) AS both_sides
                                 GROUP BY both_sides.version_key, both_sides.os_key, both_sides.decommissioned HAVING SUM(both_sides.entries) <> 0) AS counter_errors) AS orphans`;

function storedOf(entry: EntryRow | undefined, events: readonly string[]): Stored {
  const { state = 'nowhere', generation = 0, counter = null } = entry ?? {};
  // The clean-up promised removal at another time than it happened.
  const promised = state === 'removed' ? null : (entry?.promised?.toISOString() ?? null);
  return {
    key: keyOf({ state, generation, counter, events }),
    credentialHash: entry?.credential_hash ?? null,
    lastHeartbeatAtMs: entry?.last_heartbeat_at?.getTime() ?? null,
    promised,
  };
}

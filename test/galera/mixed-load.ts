import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { registrationOf } from '../support/server-program.js';
import type { ProgramCluster, Reply } from './program-cluster.js';

type CallKind = 'register' | 'heartbeat' | 'decommission' | 'purge' | 'read after register' | 'read after purge';

/** One call of the load, and its result. */
interface LedgerEntry {
  readonly kind: CallKind;
  readonly hostId: string;
  /** The assigned generation of a registration; the requested generation of any other call. */
  readonly generation: number;
  readonly status: number;
  readonly sentAtMs: number;
  readonly respondedAtMs: number;
}

interface Host {
  readonly hostId: string;
  generation: number;
  credential: string;
}

const CHANGES =
  "('registered', 'registered_again', 'replaced', 'decommissioned', 'purged', 'purged_by_force', 'removed')";

/** Many callers on few hosts, through every replica, with a ledger of the results. */
export class MixedLoad {
  readonly ledger: LedgerEntry[] = [];
  private readonly hosts: Host[];

  constructor(
    private readonly cluster: ProgramCluster,
    hosts: number,
  ) {
    this.hosts = Array.from({ length: hosts }, () => ({ hostId: randomUUID(), generation: 0, credential: '' }));
  }

  get statuses(): string {
    const counts = new Map<string, number>();
    for (const { kind, status } of this.ledger)
      counts.set(`${kind} ${status}`, (counts.get(`${kind} ${status}`) ?? 0) + 1);
    return JSON.stringify([...counts].sort());
  }

  async run(callers: number, forMs: number): Promise<void> {
    const untilMs = Date.now() + forMs;
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let turn = caller; Date.now() < untilMs; turn += 1) {
          await this.callOf(turn, caller);
          await pause((turn * 7) % 30);
        }
      }),
    );
  }

  /** Every kind of call, in a fixed proportion; the numbers determine host and replica. */
  private async callOf(turn: number, caller: number): Promise<void> {
    const host = this.hosts[(turn + caller * 3) % this.hosts.length] as Host;
    const replica = (turn >> 1) % this.cluster.replicas.length;
    const other = (replica + 1) % this.cluster.replicas.length;
    const { hostId, generation, credential } = host;
    const kind = !credential ? 0 : (turn * 13 + caller * 5) % 20;
    if (kind < 6) {
      const reply = await this.cluster.call(replica, 'PUT', hostId, this.cluster.asAgent, registrationOf(hostId));
      const assigned = Number(reply.body['generation'] ?? 0);
      this.record('register', hostId, assigned, reply);
      if (reply.status !== 200 && reply.status !== 201) return;
      if (assigned > host.generation)
        Object.assign(host, { generation: assigned, credential: reply.body['credential'] });
      if (turn % 3 === 0)
        this.record(
          'read after register',
          hostId,
          assigned,
          await this.cluster.call(other, 'GET', hostId, this.cluster.asOperator),
        );
    } else if (kind < 14) {
      const body = { generation, agentVersion: '1.0.0.0', protectedMachineCount: 0, replicationPairCount: turn };
      this.record(
        'heartbeat',
        hostId,
        generation,
        await this.cluster.call(replica, 'POST', `${hostId}/heartbeats`, `Bearer ${credential}`, body),
      );
    } else if (kind < 17) {
      this.record(
        'decommission',
        hostId,
        generation,
        await this.cluster.call(replica, 'DELETE', hostId, `Bearer ${credential}`),
      );
    } else {
      const reply = await this.cluster.call(replica, 'POST', `${hostId}/purge`, this.cluster.asOperator, {
        generation,
        reason: 'test',
        force: true,
      });
      this.record('purge', hostId, generation, reply);
      if (reply.status === 200 && turn % 2 === 0)
        this.record(
          'read after purge',
          hostId,
          generation,
          await this.cluster.call(other, 'GET', hostId, this.cluster.asOperator),
        );
    }
  }

  private record(kind: CallKind, hostId: string, generation: number, { status, body, sentAtMs, tookMs }: Reply): void {
    const read = kind.startsWith('read') && status === 200 ? Number(body['generation']) : 0;
    if (kind === 'read after register' && read > 0 && read < generation)
      this.staleReads.push(`${hostId} shows ${read} after ${generation} was registered`);
    if (kind === 'read after purge' && read > 0 && read <= generation)
      this.staleReads.push(`${hostId} shows ${read} after ${generation} was purged`);
    this.ledger.push({ kind, hostId, generation, status, sentAtMs, respondedAtMs: sentAtMs + tookMs });
  }

  /** Reads at the other replica without an acknowledged change. */
  readonly staleReads: string[] = [];

  /** The differences between the ledger and the database. */
  async disagreements(): Promise<string[]> {
    const violations = [...this.staleReads];
    const hostIds = this.hosts.map(({ hostId }) => hostId);
    const rows = await this.cluster.rows<{ kind: string; host_id: string; generation: number }>(
      `SELECT kind, host_id, generation FROM event WHERE kind IN ${CHANGES} AND host_id IN (?)`,
      [hostIds],
    );
    const events = new Set(rows.map(({ kind, host_id, generation }) => `${host_id} ${nameOf(kind)} ${generation}`));
    for (const entry of this.acknowledged('register', 'decommission', 'purge')) {
      const name = { register: 'registered', decommission: 'decommissioned', purge: 'purged' }[
        entry.kind as 'register' | 'decommission' | 'purge'
      ];
      if (!events.has(`${entry.hostId} ${name} ${entry.generation}`))
        violations.push(`acknowledged without an event: ${JSON.stringify(entry)}`);
    }
    for (const hostId of hostIds) {
      const registered = rows
        .filter((row) => row.host_id === hostId && nameOf(row.kind) === 'registered')
        .map(({ generation }) => generation)
        .sort((a, b) => a - b);
      const isGapless = registered.every((generation, index) => generation === index + 1);
      if (!isGapless) violations.push(`${hostId} has registrations ${registered.join(' ')}`);
      const requested = this.ledger.filter((entry) => entry.hostId === hostId && entry.kind === 'register');
      const maxCount = requested.filter(
        ({ status }) => status === 200 || status === 201 || status === 0 || status >= 500,
      ).length;
      if (registered.length > maxCount)
        violations.push(`${hostId} has ${registered.length} registrations, ${maxCount} were requested`);
      violations.push(...this.heartbeatsAfterTheEnd(hostId));
    }
    return violations;
  }

  /** A heartbeat must not be accepted if it was sent after the response that ended its generation. */
  private heartbeatsAfterTheEnd(hostId: string): string[] {
    const entries = this.acknowledged('register', 'decommission', 'purge').filter((entry) => entry.hostId === hostId);
    const ends = entries.map(({ kind, generation, respondedAtMs }) => ({
      upTo: kind === 'register' ? generation - 1 : generation,
      respondedAtMs,
    }));
    return this.acknowledged('heartbeat')
      .filter(
        (heartbeat) =>
          heartbeat.hostId === hostId &&
          ends.some(({ upTo, respondedAtMs }) => heartbeat.generation <= upTo && heartbeat.sentAtMs > respondedAtMs),
      )
      .map((heartbeat) => `accepted after its generation had ended: ${JSON.stringify(heartbeat)}`);
  }

  private acknowledged(...kinds: readonly CallKind[]): LedgerEntry[] {
    return this.ledger.filter(({ kind, status }) => kinds.includes(kind) && status >= 200 && status < 300);
  }
}

const nameOf = (kind: string): string =>
  kind === 'registered_again' || kind === 'replaced' ? 'registered' : kind.replace('_by_force', '');

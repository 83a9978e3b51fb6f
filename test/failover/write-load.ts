import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { registrationOf, type ServerProgram } from '../support/server-program.js';

/** Concurrent callers at each replica. */
const REGISTERING_CALLERS = 3;
const HEARTBEAT_CALLERS = 4;
const PAUSE_MS = 50;
const READING_CALLERS = 8;
const HEALTH_CHECK_EVERY_MS = 100;

/** The acknowledged writes of one host. */
export interface AcknowledgedHost {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
  /** `replicationPairCount` of the last acknowledged heartbeat. */
  heartbeat: number;
}

export interface Reply {
  /** 0 when no response came. */
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly sentAtMs: number;
  readonly respondedAtMs: number;
}

/** The acknowledged writes of one replica since the start of the load, and its readiness every 100 ms. */
export interface LoadedReplica {
  readonly url: string;
  readonly writes: Reply[];
  readonly healthChecks: Reply[];
}

interface Secrets {
  readonly passphrase: string;
  readonly adminKey: string;
}

type Method = 'GET' | 'PUT' | 'POST';

/** Registrations and heartbeats at several replicas, with a ledger of acknowledged writes. */
export class WriteLoad {
  readonly hosts: AcknowledgedHost[] = [];
  heartbeats = 0;
  /** The number of responses by call and status. */
  readonly statuses = new Map<string, number>();
  readonly replicas: readonly LoadedReplica[];
  private readonly agent = new Agent({ connections: 32, headersTimeout: 20_000, bodyTimeout: 20_000 });
  private isOver = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    programs: readonly ServerProgram[],
    private readonly secrets: Secrets,
  ) {
    this.replicas = programs.map(({ url }) => ({ url, writes: [], healthChecks: [] }));
  }

  start(): void {
    this.isOver = false;
    const callers = this.replicas.flatMap((replica, index) => {
      replica.writes.length = replica.healthChecks.length = 0;
      const registering = Array.from({ length: REGISTERING_CALLERS }, () =>
        this.repeat(PAUSE_MS, () => this.register(replica)),
      );
      const sendingHeartbeats = Array.from({ length: HEARTBEAT_CALLERS }, (_, caller) =>
        this.repeat(PAUSE_MS, this.heartbeatCaller(replica, index * HEARTBEAT_CALLERS + caller)),
      );
      return [
        ...registering,
        ...sendingHeartbeats,
        this.repeat(HEALTH_CHECK_EVERY_MS, () => this.checkHealth(replica)),
      ];
    });
    this.running = Promise.all(callers);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.running;
  }

  /** Reads every acknowledged host at each replica; returns the responses that differ from its registration. */
  async unreadable(): Promise<string[]> {
    const violations: string[] = [];
    const left = this.replicas.flatMap((replica) => this.hosts.map((host) => ({ replica, host })));
    const caller = async (): Promise<void> => {
      for (let read = left.pop(); read; read = left.pop()) {
        const { status, body } = await this.read('read', read.replica, read.host.hostId);
        if (status !== 200 || body['generation'] !== read.host.generation)
          violations.push(`${read.host.hostId}: ${status} ${JSON.stringify(body)}`);
      }
    };
    await Promise.all(Array.from({ length: READING_CALLERS }, caller));
    return violations;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.agent.close();
  }

  private async repeat(everyMs: number, call: () => Promise<void>): Promise<void> {
    while (!this.isOver) {
      await call();
      await pause(everyMs);
    }
  }

  /** Registers a new host id, which is read at each replica as soon as it is acknowledged. */
  private async register(replica: LoadedReplica): Promise<void> {
    const hostId = randomUUID();
    const reply = await this.call(
      'register',
      replica,
      'PUT',
      `/v1/process-servers/${hostId}`,
      `Passphrase ${this.secrets.passphrase}`,
      registrationOf(hostId),
    );
    if (reply.status !== 201) return;
    replica.writes.push(reply);
    this.hosts.push({
      hostId,
      generation: Number(reply.body['generation']),
      credential: String(reply.body['credential']),
      heartbeat: 0,
    });
    const reads = this.replicas.map((other) =>
      this.read(other === replica ? 'read after register' : 'read after register at another replica', other, hostId),
    );
    await Promise.all(reads);
  }

  /** Each caller has its own hosts, so that the heartbeats of a host are sequential. */
  private heartbeatCaller(replica: LoadedReplica, caller: number): () => Promise<void> {
    const callers = this.replicas.length * HEARTBEAT_CALLERS;
    let turn = 0;
    return async () => {
      const own = this.hosts.filter((_, index) => index % callers === caller);
      const host = own[(turn += 1) % Math.max(1, own.length)];
      if (!host) return;
      const count = host.heartbeat + 1;
      const body = { generation: host.generation, agentVersion: '1.0.0.0', replicationPairCount: count };
      const reply = await this.call(
        'heartbeat',
        replica,
        'POST',
        `/v1/process-servers/${host.hostId}/heartbeats`,
        `Bearer ${host.credential}`,
        body,
      );
      if (reply.status !== 200) return;
      replica.writes.push(reply);
      this.heartbeats += 1;
      host.heartbeat = count;
    };
  }

  private async checkHealth(replica: LoadedReplica): Promise<void> {
    replica.healthChecks.push(await this.call('ready', replica, 'GET', '/health/ready'));
  }

  private read(name: string, replica: LoadedReplica, hostId: string): Promise<Reply> {
    return this.call(name, replica, 'GET', `/v1/process-servers/${hostId}`, `Bearer ${this.secrets.adminKey}`);
  }

  private async call(
    name: string,
    { url }: LoadedReplica,
    method: Method,
    path: string,
    authorization?: string,
    body?: object,
  ): Promise<Reply> {
    const sentAtMs = performance.now();
    const reply = (status: number, text: string): Reply => {
      const line = `${name} ${status}`;
      this.statuses.set(line, (this.statuses.get(line) ?? 0) + 1);
      return {
        status,
        body: text ? (JSON.parse(text) as Reply['body']) : {},
        sentAtMs,
        respondedAtMs: performance.now(),
      };
    };
    try {
      const response = await request(`${url}${path}`, {
        method,
        dispatcher: this.agent,
        headers: { ...(authorization && { authorization }), ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      return reply(response.statusCode, await response.body.text());
    } catch {
      return reply(0, '');
    }
  }
}

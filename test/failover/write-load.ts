import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { registrationOf, type ServerFolder, type ServerProgram } from '../support/server-program.js';

const REGISTERING_CALLERS = 4;
const BEATING_CALLERS = 6;
const PAUSE_MS = 50;
const READING_CALLERS = 8;
const HEALTH_CHECK_EVERY_MS = 100;

/** What was acknowledged for one host. */
export interface AcknowledgedHost {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
  /** `replicationPairCount` of the last acknowledged heartbeat. */
  heartbeat: number;
}

interface Reply {
  /** 0 when no response came. */
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
}

type Method = 'GET' | 'PUT' | 'POST';

/** Registrations and heartbeats at one replica, with a ledger of what was acknowledged, and its readiness every 100 ms. */
export class WriteLoad {
  readonly hosts: AcknowledgedHost[] = [];
  heartbeats = 0;
  /** Every response by call and status. */
  readonly statuses = new Map<string, number>();
  readonly writes: Reply[] = [];
  readonly healthChecks: Reply[] = [];
  private readonly agent = new Agent({ connections: 32, headersTimeout: 20_000, bodyTimeout: 20_000 });
  private isOver = false;
  private running: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly url: string,
    private readonly passphrase: string,
    private readonly adminKey: string,
  ) {}

  static async on(program: ServerProgram, folder: ServerFolder): Promise<WriteLoad> {
    return new WriteLoad(program.url, await folder.passphrase(), await folder.adminKey());
  }

  start(): void {
    this.isOver = false;
    this.writes.length = this.healthChecks.length = 0;
    const callers = [
      ...Array.from({ length: REGISTERING_CALLERS }, () => () => this.register()),
      ...Array.from({ length: BEATING_CALLERS }, (_, caller) => this.beatingCaller(caller)),
    ];
    this.running = Promise.all([...callers.map((call) => this.repeat(PAUSE_MS, call)), this.repeat(HEALTH_CHECK_EVERY_MS, () => this.checkHealth())]);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.running;
  }

  /** Reads every acknowledged host through the API; those of which the response is not its registration. */
  async unreadable(): Promise<string[]> {
    const faults: string[] = [];
    const left = [...this.hosts];
    const caller = async (): Promise<void> => {
      for (let host = left.pop(); host; host = left.pop()) {
        const { status, body } = await this.call('read', 'GET', `/v1/process-servers/${host.hostId}`, `Bearer ${this.adminKey}`);
        if (status !== 200 || body['generation'] !== host.generation) faults.push(`${host.hostId}: ${status} ${JSON.stringify(body)}`);
      }
    };
    await Promise.all(Array.from({ length: READING_CALLERS }, caller));
    return faults;
  }

  async close(): Promise<void> {
    await this.agent.close();
  }

  private async repeat(everyMs: number, call: () => Promise<void>): Promise<void> {
    while (!this.isOver) {
      await call();
      await pause(everyMs);
    }
  }

  /** A new host id, which is read as soon as it is acknowledged. */
  private async register(): Promise<void> {
    const hostId = randomUUID();
    const reply = await this.call('register', 'PUT', `/v1/process-servers/${hostId}`, `Passphrase ${this.passphrase}`, registrationOf(hostId));
    if (reply.status !== 201) return;
    this.writes.push(reply);
    this.hosts.push({ hostId, generation: Number(reply.body['generation']), credential: String(reply.body['credential']), heartbeat: 0 });
    await this.call('read at once', 'GET', `/v1/process-servers/${hostId}`, `Bearer ${this.adminKey}`);
  }

  /** Each caller has its own hosts, so that the heartbeats of a host come one after the other. */
  private beatingCaller(caller: number): () => Promise<void> {
    let turn = 0;
    return async () => {
      const own = this.hosts.filter((_, index) => index % BEATING_CALLERS === caller);
      const host = own[(turn += 1) % Math.max(1, own.length)];
      if (!host) return;
      const count = host.heartbeat + 1;
      const body = { generation: host.generation, agentVersion: '1.0.0.0', replicationPairCount: count };
      const reply = await this.call('heartbeat', 'POST', `/v1/process-servers/${host.hostId}/heartbeats`, `Bearer ${host.credential}`, body);
      if (reply.status !== 200) return;
      this.writes.push(reply);
      this.heartbeats += 1;
      host.heartbeat = count;
    };
  }

  private async checkHealth(): Promise<void> {
    this.healthChecks.push(await this.call('ready', 'GET', '/health/ready'));
  }

  private async call(name: string, method: Method, path: string, authorization?: string, body?: object): Promise<Reply> {
    const sentAtMs = performance.now();
    const reply = (status: number, text: string): Reply => {
      const line = `${name} ${status}`;
      this.statuses.set(line, (this.statuses.get(line) ?? 0) + 1);
      return { status, body: text ? (JSON.parse(text) as Reply['body']) : {}, sentAtMs, answeredAtMs: performance.now() };
    };
    try {
      const response = await request(`${this.url}${path}`, {
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

/** How readiness compares with acknowledged writes, in ms. */
export interface ReadinessFigures {
  /** The longest time without an acknowledged write. */
  readonly noWriteMs: number;
  readonly longestNotReadyMs: number;
  /** Since the last write before that time: still ready. */
  readonly wronglyReadyMs: number;
  /** Since the first write after it: not yet ready. */
  readonly wronglyNotReadyMs: number;
}

export function readinessFigures({ writes, healthChecks }: WriteLoad): ReadinessFigures {
  const times = writes.map(({ answeredAtMs }) => answeredAtMs).sort((a, b) => a - b);
  let [lastBefore, firstAfter] = [0, 0];
  times.forEach((time, index) => {
    const before = times[index - 1] ?? time;
    if (time - before > firstAfter - lastBefore) [lastBefore, firstAfter] = [before, time];
  });
  const readyWithout = healthChecks.filter(({ status, sentAtMs, answeredAtMs }) => status === 200 && sentAtMs > lastBefore && answeredAtMs < firstAfter);
  const notReadyWith = healthChecks.filter(({ status, sentAtMs }) => status !== 200 && sentAtMs > firstAfter);
  let [longestNotReadyMs, notReadySince] = [0, NaN];
  for (const { status, sentAtMs, answeredAtMs } of healthChecks) {
    notReadySince = status === 200 ? NaN : Number.isNaN(notReadySince) ? sentAtMs : notReadySince;
    if (status !== 200) longestNotReadyMs = Math.max(longestNotReadyMs, answeredAtMs - notReadySince);
  }
  return {
    noWriteMs: Math.round(firstAfter - lastBefore),
    longestNotReadyMs: Math.round(longestNotReadyMs),
    wronglyReadyMs: Math.round(Math.max(0, ...readyWithout.map(({ answeredAtMs }) => answeredAtMs - lastBefore))),
    wronglyNotReadyMs: Math.round(Math.max(0, ...notReadyWith.map(({ answeredAtMs }) => answeredAtMs - firstAfter))),
  };
}

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { registrationOf, type ServerFolder, type ServerProgram } from './server-program.js';

export interface HttpResult<Body = Record<string, unknown>> {
  readonly status: number;
  readonly body: Body;
}

/** A process server that sends heartbeats, with the responses. */
export interface HeartbeatSender {
  readonly hostId: string;
  readonly credential: string;
  readonly generation: number;
  /** Statuses of its heartbeats, in order. */
  readonly statuses: number[];
  /** Codes and instructions of rejected heartbeats. */
  readonly rejections: Set<string>;
}

const LOAD = {
  totalMemoryBytes: 100,
  availableMemoryBytes: 90,
  totalCacheBytes: 100,
  freeCacheBytes: 90,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
};

/** Process servers that send heartbeats with changing load to a running program until the test stops them. */
export class RunningFleet {
  readonly servers: HeartbeatSender[] = [];
  private readonly stoppedSenders = new Set<HeartbeatSender>();
  private stopped = false;
  private readonly loops: Promise<void>[] = [];

  private constructor(
    private readonly program: ServerProgram,
    private readonly passphrase: string,
    private readonly key: string,
    private readonly intervalMs: number,
  ) {}

  static async of(
    folder: ServerFolder,
    program: ServerProgram,
    size: number,
    intervalMs: number,
  ): Promise<RunningFleet> {
    const fleet = new RunningFleet(program, await folder.passphrase(), await folder.adminKey(), intervalMs);
    for (let number = 0; number < size; number += 1) await fleet.add();
    return fleet;
  }

  /** Registers another process server, which starts to send heartbeats. */
  async add(): Promise<HeartbeatSender> {
    const hostId = randomUUID();
    const { status, body } = await this.call<{ generation: number; credential: string }>(
      'PUT',
      `/v1/process-servers/${hostId}`,
      `Passphrase ${this.passphrase}`,
      registrationOf(hostId),
    );
    if (status !== 201) throw new Error(`registration failed: ${status} ${JSON.stringify(body)}`);
    const server = {
      hostId,
      credential: body.credential,
      generation: body.generation,
      statuses: [],
      rejections: new Set<string>(),
    };
    this.servers.push(server);
    this.loops.push(this.sendHeartbeats(server));
    return server;
  }

  /** Stops the heartbeats of one process server. */
  stopHeartbeats(server: HeartbeatSender): void {
    this.stoppedSenders.add(server);
  }

  /** Stops all heartbeats. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
  }

  read<Body = Record<string, unknown>>(path: string): Promise<HttpResult<Body>> {
    return this.call<Body>('GET', path, `Bearer ${this.key}`);
  }

  unregister({ hostId, credential }: HeartbeatSender): Promise<HttpResult> {
    return this.call('DELETE', `/v1/process-servers/${hostId}`, `Bearer ${credential}`);
  }

  async stateOf({ hostId }: HeartbeatSender): Promise<string> {
    const { status, body } = await this.read<{ connectionState: string }>(`/v1/process-servers/${hostId}`);
    return status === 200 ? body.connectionState : String(status);
  }

  /** The event kinds of these process servers and of the site. */
  async kinds(): Promise<string[]> {
    const { body } = await this.read<{ items: { kind: string; hostId: string | null }[] }>('/v1/events?limit=1000');
    return body.items
      .filter(({ hostId }) => hostId === null || this.servers.some((server) => server.hostId === hostId))
      .map(({ kind }) => kind);
  }

  /** Polls a condition until it holds. @throws Error that names the condition. */
  async until(description: string, holds: () => Promise<boolean> | boolean, withinMs = 60_000): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > deadlineMs) throw new Error(`${description}: not within ${withinMs / 1000} s`);
      await pause(100);
    }
  }

  private async sendHeartbeats(server: HeartbeatSender): Promise<void> {
    while (!this.stopped && !this.stoppedSenders.has(server)) {
      const body = {
        generation: server.generation,
        agentVersion: '1.0.0.0',
        protectedMachineCount: 0,
        load: { cpuPercent: server.statuses.length % 50, ...LOAD },
      };
      const result = await this.call<{ code?: string; instruction: string }>(
        'POST',
        `/v1/process-servers/${server.hostId}/heartbeats`,
        `Bearer ${server.credential}`,
        body,
      );
      server.statuses.push(result.status);
      if (result.status !== 200) server.rejections.add(`${result.body.code} ${result.body.instruction}`);
      await pause(this.intervalMs);
    }
  }

  private async call<Body = Record<string, unknown>>(
    method: string,
    path: string,
    authorization: string,
    body?: unknown,
  ): Promise<HttpResult<Body>> {
    const response = await fetch(`${this.program.url}${path}`, {
      method,
      headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Body };
  }
}

import { ApiProblemError, retryPauseMs, type ConfigurationServerClient } from '@app/api-client';
import type { RegisterRequest } from '@app/api-contract';
import { BEHAVIOURS, type Action, type Behaviour, type BehaviourName } from './behaviours.js';
import { GIBIBYTE, reportedHealth, type Condition } from './reported-health.js';
import type { RunTimer } from './run-timer.js';
import type { CallStatistics } from './call-statistics.js';

export interface ServerProfile {
  readonly name: BehaviourName;
  readonly number: number;
  readonly hostId: string;
  /** Random number of this server, in [0, 1). */
  readonly fraction: number;
}

export interface SimulationContext {
  readonly client: ConfigurationServerClient;
  readonly passphrase: string;
  readonly statistics: CallStatistics;
  readonly runSeconds: number;
  /** Null: as assigned. */
  readonly intervalSeconds: number | null;
  readonly random: () => number;
  readonly timer: RunTimer;
}

/** A registration as a process server stores it on disk; clones of a machine share it. */
interface Registration {
  readonly generation: number;
  readonly credential: string;
  readonly intervalSeconds: number;
}

const AGENT_VERSION = '1.0.0.0';
const SITES = 12;

/** Facts of a registration. */
export function factsOf({ name, number, hostId }: Pick<ServerProfile, 'name' | 'number' | 'hostId'>): RegisterRequest {
  const label = name === 'steady' ? String(number % SITES).padStart(2, '0') : name;
  return {
    friendlyName: `demo-${label}-${number}`,
    ipAddress: `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
    osType: 'Windows',
    osVersion: 'Server 2022',
    agentVersion: AGENT_VERSION,
    machineId: hostId,
    environment: 'VMware',
    cpuCores: 8,
    memoryBytes: 16 * GIBIBYTE,
    cacheDiskBytes: 600 * GIBIBYTE,
  };
}

/** One simulated process server: registers, sends heartbeats at the assigned interval, and follows each instruction as an agent does. */
export class SimulatedServer {
  private readonly behaviour: Behaviour;
  private registration: Registration | null = null;
  private condition: Condition = 'healthy';
  private isSilent = false;
  private isGone = false;
  /** Consecutive failed calls. */
  private failures = 0;

  constructor(
    private readonly profile: ServerProfile,
    private readonly context: SimulationContext,
  ) {
    this.behaviour = BEHAVIOURS[profile.name];
  }

  async run(): Promise<void> {
    const senders = Array.from({ length: this.behaviour.senders ?? 1 }, (_, sender) => this.send(sender));
    await Promise.all([...senders, this.followScript()]);
  }

  private async followScript(): Promise<void> {
    const { runSeconds } = this.context;
    let sinceSeconds = 0;
    for (const { at, action } of this.behaviour.script(this.profile.fraction)) {
      await this.context.timer.wait((at * runSeconds - sinceSeconds) * 1000);
      sinceSeconds = at * runSeconds;
      if (this.context.timer.isOver || this.isGone) return;
      await this.perform(action);
    }
  }

  private async perform(action: Action): Promise<void> {
    if (typeof action === 'object') {
      this.condition = action.condition;
      return;
    }
    switch (action) {
      case 'stop_heartbeats':
        this.isSilent = true;
        return;
      case 'resume_heartbeats':
        this.isSilent = false;
        return;
      case 'register_again':
        return this.register();
      case 'unregister':
        return this.unregister();
    }
  }

  /** The loop of one sender; the first sender registers, its clones use a copy of the registration. */
  private async send(sender: number): Promise<void> {
    const instanceId = `instance-${sender}`;
    if (sender === 0) await this.register();
    while (!this.context.timer.isOver && !this.isGone) {
      if (this.registration && !this.isSilent && !(await this.sendHeartbeat(this.registration, instanceId))) return;
      await this.context.timer.wait((this.context.intervalSeconds ?? this.registration?.intervalSeconds ?? 1) * 1000);
    }
  }

  /** Repeats until it is registered or finally rejected. */
  private async register(): Promise<void> {
    const { client, passphrase, statistics } = this.context;
    while (!this.context.timer.isOver && !this.isGone) {
      try {
        const response = await statistics.timed(this.profile.name, 'registered', () =>
          client.register(this.profile.hostId, { kind: 'passphrase', value: passphrase }, this.registrationRequest()),
        );
        this.registration = {
          generation: response.generation,
          credential: response.credential,
          intervalSeconds: response.heartbeatIntervalSeconds,
        };
        this.failures = 0;
        return;
      } catch (error) {
        if (!(await this.waitBeforeRetry(error))) return this.leave();
      }
    }
  }

  private registrationRequest(): RegisterRequest {
    return {
      ...factsOf(this.profile),
      sentAt: this.skewedNow(),
      previousCredential: this.registration?.credential ?? null,
    };
  }

  /** False if this sender must stop sending. */
  private async sendHeartbeat({ generation, credential }: Registration, instanceId: string): Promise<boolean> {
    const { client, statistics } = this.context;
    try {
      const response = await statistics.timed(this.profile.name, 'heartbeats', () =>
        client.heartbeat(this.profile.hostId, credential, {
          generation,
          machineId: this.profile.hostId,
          instanceId,
          agentVersion: AGENT_VERSION,
          sentAt: this.skewedNow(),
          ...reportedHealth(this.condition, this.context.random),
          protectedMachineCount: 0,
        }),
      );
      if (this.registration?.credential === credential)
        this.registration = { ...this.registration, intervalSeconds: response.heartbeatIntervalSeconds };
      this.failures = 0;
      return true;
    } catch (error) {
      if (this.registration?.credential !== credential) return true; // another sender has registered again
      const instruction = error instanceof ApiProblemError ? error.problem.instruction : 'retry';
      if (instruction === 'reregister') await this.register();
      else if (!(await this.waitBeforeRetry(error))) return false;
      return true;
    }
  }

  private async unregister(): Promise<void> {
    const { client, statistics } = this.context;
    while (this.registration && !this.context.timer.isOver && !this.isGone) {
      const { credential } = this.registration;
      try {
        await statistics.timed(this.profile.name, 'unregistered', () =>
          client.unregister(this.profile.hostId, credential),
        );
        return this.leave();
      } catch (error) {
        if (!(await this.waitBeforeRetry(error))) return this.leave();
      }
    }
  }

  private leave(): void {
    this.isGone = true;
  }

  /** Waits for the requested time, or a default time without a response; false if a retry cannot succeed. */
  private async waitBeforeRetry(error: unknown): Promise<boolean> {
    const { random, timer, intervalSeconds } = this.context;
    const retryAfterSeconds = error instanceof ApiProblemError ? error.retryAfterSeconds : null;
    if (error instanceof ApiProblemError && retryAfterSeconds === null) return false;
    this.failures += 1;
    const interval = intervalSeconds ?? this.registration?.intervalSeconds ?? null;
    await timer.wait(retryPauseMs({ failures: this.failures, intervalSeconds: interval, retryAfterSeconds }, random()));
    return true;
  }

  private skewedNow(): string {
    return new Date(Date.now() + (this.behaviour.clockSkewMs?.(this.profile.fraction) ?? 0)).toISOString();
  }
}

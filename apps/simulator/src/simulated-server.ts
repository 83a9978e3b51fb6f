import { Refused, type ConfigurationServerClient, type LoadReport, type RegisterRequest } from '@app/wire';
import { BEHAVIOURS, type Action, type Behaviour, type BehaviourName } from './behaviours.js';
import type { RunTime } from './run-time.js';
import type { Tally } from './tally.js';

export interface Fate {
  readonly name: BehaviourName;
  readonly number: number;
  readonly hostId: string;
  /** Its own chance, from 0 up to 1. */
  readonly fraction: number;
}

export interface Surroundings {
  readonly client: ConfigurationServerClient;
  readonly passphrase: string;
  readonly tally: Tally;
  readonly runSeconds: number;
  /** Null: as told. */
  readonly intervalSeconds: number | null;
  readonly random: () => number;
  readonly time: RunTime;
}

/** A registration as a process server keeps it on its disk; clones of a machine share it. */
interface Registration {
  readonly generation: number;
  readonly credential: string;
  readonly intervalSeconds: number;
}

const AGENT_VERSION = '1.0.0.0';
const SITES = 12;
const LONGEST_PAUSE_MS = 5_000;
const GIBIBYTE = 2 ** 30;

/** What a process server registers with. */
export function factsOf({ name, number, hostId }: Pick<Fate, 'name' | 'number' | 'hostId'>): RegisterRequest {
  const site = name === 'lost-site' ? 'lost' : String(number % SITES).padStart(2, '0');
  return {
    friendlyName: `demo-${site}-${number}`,
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

/** One process server that lives for the length of the run: registers, beats as it was told, and does what an agent does with each instruction. */
export class SimulatedServer {
  private readonly behaviour: Behaviour;
  private registration: Registration | null = null;
  private silent = false;
  private gone = false;

  constructor(
    private readonly fate: Fate,
    private readonly surroundings: Surroundings,
  ) {
    this.behaviour = BEHAVIOURS[fate.name];
  }

  async live(): Promise<void> {
    const senders = Array.from({ length: this.behaviour.senders ?? 1 }, (_, sender) => this.send(sender));
    await Promise.all([...senders, this.act()]);
  }

  private async act(): Promise<void> {
    const { runSeconds } = this.surroundings;
    let sinceSeconds = 0;
    for (const { at, action } of this.behaviour.moments(this.fate.fraction)) {
      await this.surroundings.time.wait((at * runSeconds - sinceSeconds) * 1000);
      sinceSeconds = at * runSeconds;
      if (this.surroundings.time.isOver || this.gone) return;
      await this.perform(action);
    }
  }

  private async perform(action: Action): Promise<void> {
    switch (action) {
      case 'fall_silent':
        this.silent = true;
        return;
      case 'speak_again':
        this.silent = false;
        return;
      case 'register_again':
        return this.register();
      case 'unregister':
        return this.unregister();
    }
  }

  /** The life of one sender; the first one registers, its clones copy what it has. */
  private async send(sender: number): Promise<void> {
    const instanceId = `instance-${sender}`;
    if (sender === 0) await this.register();
    while (!this.surroundings.time.isOver && !this.gone) {
      if (this.registration && !this.silent && !(await this.beat(this.registration, instanceId))) return;
      await this.surroundings.time.wait(
        (this.surroundings.intervalSeconds ?? this.registration?.intervalSeconds ?? 1) * 1000,
      );
    }
  }

  /** Until it is registered, or refused for good. */
  private async register(): Promise<void> {
    const { client, passphrase, tally } = this.surroundings;
    while (!this.surroundings.time.isOver && !this.gone) {
      try {
        const answer = await tally.timed(this.fate.name, 'registered', () =>
          client.register(this.fate.hostId, passphrase, this.registrationRequest()),
        );
        this.registration = {
          generation: answer.generation,
          credential: answer.credential,
          intervalSeconds: answer.heartbeatIntervalSeconds,
        };
        return;
      } catch (error) {
        if (!(await this.mayTryAgain(error))) return this.leave();
      }
    }
  }

  private registrationRequest(): RegisterRequest {
    return {
      ...factsOf(this.fate),
      sentAt: this.itsClock(),
      previousCredential: this.registration?.credential ?? null,
    };
  }

  /** False when this sender is to be silent from now on. */
  private async beat({ generation, credential }: Registration, instanceId: string): Promise<boolean> {
    const { client, tally } = this.surroundings;
    try {
      const answer = await tally.timed(this.fate.name, 'beats', () =>
        client.heartbeat(this.fate.hostId, credential, {
          generation,
          machineId: this.fate.hostId,
          instanceId,
          agentVersion: AGENT_VERSION,
          sentAt: this.itsClock(),
          load: this.load(),
          protectedMachineCount: 0,
        }),
      );
      if (this.registration?.credential === credential)
        this.registration = { ...this.registration, intervalSeconds: answer.heartbeatIntervalSeconds };
      return true;
    } catch (error) {
      if (this.registration?.credential !== credential) return true; // it registered again meanwhile
      const instruction = error instanceof Refused ? error.problem.instruction : 'retry';
      if (instruction === 'reregister') await this.register();
      else if (!(await this.mayTryAgain(error))) return false;
      return true;
    }
  }

  private async unregister(): Promise<void> {
    const { client, tally } = this.surroundings;
    while (this.registration && !this.surroundings.time.isOver && !this.gone) {
      const { credential } = this.registration;
      try {
        await tally.timed(this.fate.name, 'unregistered', () => client.unregister(this.fate.hostId, credential));
        return this.leave();
      } catch (error) {
        if (!(await this.mayTryAgain(error))) return this.leave();
      }
    }
  }

  private leave(): void {
    this.gone = true;
  }

  /** Waits as long as it was told, or a while of its own choice when nobody answered; false when trying again is no use. */
  private async mayTryAgain(error: unknown): Promise<boolean> {
    const { random } = this.surroundings;
    if (error instanceof Refused && error.retryAfterSeconds === null) return false;
    const pauseMs = error instanceof Refused ? (error.retryAfterSeconds ?? 1) * 1000 : LONGEST_PAUSE_MS * random();
    await this.surroundings.time.wait(pauseMs);
    return true;
  }

  private itsClock(): string {
    return new Date(Date.now() + (this.behaviour.clockSkewMs?.(this.fate.fraction) ?? 0)).toISOString();
  }

  /** A working day: mostly calm, now and then above what is healthy. */
  private load(): LoadReport {
    const { random } = this.surroundings;
    return {
      cpuPercent: Math.round(100 * random() ** 2),
      totalMemoryBytes: 16 * GIBIBYTE,
      availableMemoryBytes: Math.round((4 + 8 * random()) * GIBIBYTE),
      totalCacheBytes: 600 * GIBIBYTE,
      freeCacheBytes: Math.round((300 + 200 * random()) * GIBIBYTE),
      throughputBytesPerSecond: Math.round(20_000_000 * random()),
      pendingUploadBytes: 0,
    };
  }
}

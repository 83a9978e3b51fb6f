import { ConfigurationServerClient } from '@app/api-client';
import { ReleaseStore } from '@app/fleet-mysql';
import { sha256 } from '@app/platform';
import type { Heartbeat } from '@app/fleet';
import { aHeartbeat } from '../../libs/fleet/src/testing/examples.js';
import { aRegistration, LOOPBACK, TestCluster, type KnownServer } from '../support/test-cluster.js';
import { GB, HEALTHY, type DayServer } from './injected-problems.js';
import { TogglableProxy } from '../support/togglable-proxy.js';

const ROUND_MINUTES = 10;
const ROUND_SECONDS = ROUND_MINUTES * 60;
const REPLICAS = [0, 1] as const;
const CONNECTIONS = 32;
/** A steady process server sends a heartbeat in every second round, far more often than its lease requires. */
const ROUNDS_PER_STEADY_HEARTBEAT = 2;
/** It reports its load once an hour, more often than the window requires. */
const ROUNDS_PER_STEADY_REPORT = 6;

/** Heartbeats that a busy machine does not commit in time are repeated this often. */
const MAX_ATTEMPTS = 20;

const SETTINGS = {
  HEARTBEAT_INTERVAL_SECONDS: '300',
  LEASE_SECONDS: '1800',
  HEALTH_WINDOW_SECONDS: '5400',
  CLEAN_UP_GRACE_SECONDS: '300',
  HEARTBEAT_MAX_BATCH_SIZE: '250',
};

interface FleetMember extends DayServer, KnownServer {
  readonly number: number;
  readonly credentialHash: string;
}

interface Rejection {
  readonly member: FleetMember;
  readonly reason: string;
}

interface StoredEvent {
  readonly at: Date;
  readonly kind: string;
  readonly host_id: string | null;
  readonly detail: string | Record<string, unknown>;
}

/** A day of a fleet on the moved clock: a round every ten minutes, heartbeats half to each of two replicas behind proxies. */
export class SimulatedDay {
  private readonly members = new Map<string, FleetMember>();
  private minute = 0;

  private constructor(
    readonly cluster: TestCluster,
    private readonly proxies: readonly TogglableProxy[],
    private readonly startedAt: number,
  ) {}

  static async open(): Promise<SimulatedDay> {
    const cluster = await TestCluster.open({ settings: SETTINGS });
    const proxies: TogglableProxy[] = [];
    for (let number = 0; number < REPLICAS.length; number += 1) {
      const proxy = await TogglableProxy.inFrontOf(cluster.database.address);
      proxies.push(proxy);
      await cluster.addReplicaBehind(proxy);
    }
    const [direct] = cluster.replicas.splice(0, 1); // it has created the secrets, and reaches the database during an outage
    await direct?.stop();
    await cluster.recordAvailability();
    return new SimulatedDay(cluster, proxies, cluster.clock.now().getTime());
  }

  /** The wall time at a minute of the day. */
  timeAt(minute: number): Date {
    return new Date(this.startedAt + minute * 60_000);
  }

  member(name: string): FleetMember {
    const member = this.members.get(name);
    if (!member) throw new Error(`there is no ${name}`);
    return member;
  }

  async register(servers: readonly DayServer[]): Promise<void> {
    const clients = await Promise.all(REPLICAS.map((number) => this.client(number)));
    const secret = { kind: 'passphrase', value: this.cluster.passphrase.replace('Passphrase ', '') } as const;
    const registerEvery = async (first: number): Promise<void> => {
      for (let number = first; number < servers.length; number += CONNECTIONS) {
        const server = servers[number] as DayServer;
        const hostId = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
        const client = clients[number % REPLICAS.length] as ConfigurationServerClient;
        const { credential, generation } = await client.register(hostId, secret, {
          ...aRegistration({
            friendlyName: server.name,
            ipAddress: `10.0.${number >> 8}.${number & 255}`,
            machineId: hostId,
            ...server.registration,
          }),
        } as never);
        const credentialHash = sha256(credential).toString('hex');
        this.members.set(server.name, { ...server, number, hostId, credential, generation, credentialHash });
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, first) => registerEvery(first)));
    await Promise.all(clients.map((client) => client.close()));
  }

  /** Advances to the minute in rounds; `actions` run in their round, before its heartbeats. */
  async advanceTo(minute: number, actions: Readonly<Record<number, () => Promise<unknown>>> = {}): Promise<void> {
    while (this.minute < minute) {
      this.minute += ROUND_MINUTES;
      await this.cluster.advance(ROUND_SECONDS);
      await this.runRound(actions[this.minute]);
    }
  }

  /** The round of the present minute. */
  async runRound(action?: () => Promise<unknown>): Promise<void> {
    await action?.();
    await this.sendAcceptedHeartbeats();
    await this.runJobs();
  }

  /** Advances to the minute while no replica reaches the database. Returns the reasons of rejection in each round. */
  async advanceInOutageTo(minute: number): Promise<string[][]> {
    for (const proxy of this.proxies) proxy.disable();
    const rejections: string[][] = [];
    for (; this.minute + ROUND_MINUTES < minute; this.minute += ROUND_MINUTES) {
      this.cluster.clock.advanceSeconds(ROUND_SECONDS);
      await Promise.allSettled(this.cluster.replicas.map(({ availabilityClock }) => availabilityClock.tick()));
      rejections.push((await this.sendHeartbeats()).map(({ reason }) => reason));
    }
    const jobs = this.cluster.replicas.flatMap(({ monitor, cleanUp }) => [monitor.run(), cleanUp.run()]);
    const finished = (await Promise.allSettled(jobs)).filter(({ status }) => status === 'fulfilled');
    if (finished.length > 0) throw new Error('a job reached the database');
    for (const proxy of this.proxies) proxy.enable();
    this.minute += ROUND_MINUTES;
    await this.cluster.simulateOutage(ROUND_SECONDS);
    await this.runRound();
    return rejections;
  }

  refreshCatalogues(): Promise<unknown> {
    return Promise.all(this.cluster.replicas.map(({ http }) => http.get(ReleaseStore).current()));
  }

  /** All events so far in the order of time and host, as lines `HH:MM host kind facts`. */
  async events(): Promise<string[]> {
    const rows = await this.cluster.database.rows<StoredEvent>('SELECT at, kind, host_id, detail FROM event');
    const names = new Map([...this.members.values()].map(({ hostId, name }) => [hostId, name]));
    return rows
      .map(({ at, kind, host_id, detail }) => {
        const facts = typeof detail === 'string' ? (JSON.parse(detail) as Record<string, unknown>) : detail;
        const host = host_id === null ? '-' : (names.get(host_id) ?? host_id);
        return [this.clockTime(at), host, kind, ...this.describe(facts)].join(' ');
      })
      .sort();
  }

  /** The facts that follow from the injected problem, with times of the day. */
  private describe({
    from,
    to,
    raised,
    cleared,
    daysBefore,
    version,
    leaseEndedAt,
  }: Record<string, unknown>): string[] {
    const text = (fact: unknown): string => {
      const given = String(fact);
      return /^\d{4}-.*Z$/.test(given) ? this.clockTime(new Date(given)) : given;
    };
    return [
      ...(from !== undefined && to !== undefined ? [`${text(from)} to ${text(to)}`] : []),
      ...((raised ?? []) as unknown[]).map((code) => `+${text(code)}`),
      ...((cleared ?? []) as unknown[]).map((code) => `-${text(code)}`),
      ...(daysBefore !== undefined ? [`${text(daysBefore)} days before`] : []),
      ...[version, leaseEndedAt].filter((fact) => fact !== undefined).map(text),
    ];
  }

  /** A monitor event that precedes a call of the same time is a millisecond early. */
  private clockTime(at: Date): string {
    const minute = Math.floor((at.getTime() + 1 - this.startedAt) / 60_000);
    return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
  }

  private async runJobs(): Promise<void> {
    await Promise.all(this.cluster.replicas.map(({ monitor }) => monitor.run()));
    await Promise.all(this.cluster.replicas.map(({ cleanUp }) => cleanUp.run()));
  }

  /** As agents do, repeats heartbeats whose commit takes too long on a busy machine. */
  private async sendAcceptedHeartbeats(): Promise<void> {
    let members: readonly FleetMember[] = [...this.members.values()];
    for (let attempt = 0; members.length > 0; attempt += 1) {
      const rejected = await this.sendHeartbeats(members);
      const lasting = rejected.find(({ reason }) => reason !== 'database_unavailable' || attempt === MAX_ATTEMPTS);
      if (lasting) throw new Error(`minute ${this.minute}: ${lasting.member.name} got ${lasting.reason}`);
      members = rejected.map(({ member }) => member);
    }
  }

  private async sendHeartbeats(members: Iterable<FleetMember> = this.members.values()): Promise<Rejection[]> {
    const rejections: Rejection[] = [];
    await Promise.all(
      [...members].flatMap((member) => {
        const heartbeat = this.heartbeatOf(member);
        if (!heartbeat) return [];
        return new Promise<void>((resolve) =>
          this.cluster.replica(member.number % REPLICAS.length).receiver.receive(heartbeat, {
            onAccepted: () => resolve(),
            onRejected: (error) => {
              rejections.push({ member, reason: (error as Error).message });
              resolve();
            },
          }),
        );
      }),
    );
    return rejections;
  }

  private heartbeatOf({ number, hostId, generation, credentialHash, heartbeat }: FleetMember): Heartbeat | null {
    const round = this.minute / ROUND_MINUTES;
    const isDue = (rounds: number): boolean =>
      heartbeat !== undefined || round === 0 || (round + number) % rounds === 0;
    if (!isDue(ROUNDS_PER_STEADY_HEARTBEAT)) return null;
    const reports = isDue(ROUNDS_PER_STEADY_REPORT);
    const over = heartbeat ? heartbeat(this.minute, (minute) => this.timeAt(minute)) : {};
    if (!over) return null;
    return aHeartbeat({
      hostId,
      generation,
      credentialHash,
      sourceAddress: LOOPBACK,
      ...(reports && {
        load: HEALTHY,
        services: [{ name: 'cxprocessserver', state: 'running' }],
        protectedMachineCount: 40,
        churnBytesPerDay: 100 * GB,
        certificateExpiresAt: this.timeAt(365 * 24 * 60),
      }),
      ...over,
    });
  }

  private async client(replica: number): Promise<ConfigurationServerClient> {
    return new ConfigurationServerClient({
      url: await this.cluster.replica(replica).http.getUrl(),
      connections: CONNECTIONS,
    });
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}

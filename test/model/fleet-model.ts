import type { AvailabilityModel } from './availability-model.js';

export const LEASE_SECONDS = 180;
export const GRACE_SECONDS = 300;
export const INTERVAL_SECONDS = 60;
/** A stored heartbeat further ahead than this was written before the clock stepped back. */
const OUT_OF_ORDER_MS = 60_000;
/** A lease that is ended at once must be expired on a replica whose clock is behind, too. */
const MAX_REPLICA_CLOCK_SKEW_MS = 1_500;

export interface ModelEntry {
  generation: number;
  machine: string;
  /** Source address of the registration and of the heartbeats. */
  address: string;
  expiresAvailableMs: number;
  lastSeenAvailableMs: number;
  lastHeartbeatAt: number | null;
  instance: string | null;
  replacedInstances: string[];
  protectedMachines: number | null;
  /** The last reported count was unusable. */
  machinesUnknown: boolean;
  /** Silences of the current hour: end of the first one, and their number. */
  silences: { since: number; ended: number } | null;
  decommissionedAt: number | null;
  decommissionedAvailableMs: number;
  revoked: boolean;
}

/** `unusable`: the heartbeat has a count in an unusable form. */
export interface ModelHeartbeat {
  machine: string | null;
  instance: string | null;
  protectedMachines: number | 'unusable' | null;
}

export interface ModelTombstone {
  generation: number;
  removal: 'purge' | 'clean_up';
  purgedAt: number;
}

export interface Rejection {
  status: number;
  code: string;
  instruction?: string;
}

type Outcome = { status: number } | Rejection;

const rejection = (status: number, code: string, instruction?: string): Rejection => ({
  status,
  code,
  ...(instruction && { instruction }),
});

/** A sequential model of the registry, without database, replicas and concurrency. */
export class FleetModel {
  readonly entries = new Map<string, ModelEntry>();
  readonly tombstones = new Map<string, ModelTombstone>();
  /** Event kinds of each host, in order. */
  readonly events = new Map<string, string[]>();

  constructor(
    private readonly now: () => number,
    private readonly availability: AvailabilityModel,
  ) {}

  /** The current time on the availability clock. */
  availableMs(): number {
    return this.availability.availableMs();
  }

  isConnected({ expiresAvailableMs }: ModelEntry): boolean {
    return this.availableMs() < expiresAvailableMs;
  }

  /** Whether a heartbeat with this generation and its credential is accepted. */
  accepts(hostId: string, generation: number): boolean {
    return this.entries.has(hostId) && this.credentialRejection(hostId, generation, false) === null;
  }

  /** `presented` is the generation of the credential that the sender presents as its current one. */
  register(
    hostId: string,
    machine: string,
    address: string,
    presented: number | null,
  ): Outcome & { generation?: number } {
    const entry = this.entries.get(hostId);
    if (entry && this.isConnected(entry)) {
      if (entry.machine !== machine) return rejection(409, 'host_id_conflict', 'ask_operator');
      const isProved = address === entry.address || (presented === entry.generation && !entry.revoked);
      if (!isProved) return rejection(409, 'host_id_in_use', 'retry');
    }
    const generation = (entry?.generation ?? this.tombstones.get(hostId)?.generation ?? 0) + 1;
    const replaced = entry !== undefined && entry.machine !== machine;
    const endsSilence = entry !== undefined && entry.decommissionedAt === null && !this.isConnected(entry);
    this.entries.set(hostId, {
      generation,
      machine,
      address,
      expiresAvailableMs: this.availableMs() + LEASE_SECONDS * 1000,
      lastSeenAvailableMs: this.availableMs(),
      lastHeartbeatAt: null,
      instance: null,
      replacedInstances: [],
      protectedMachines: entry && !replaced ? entry.protectedMachines : null,
      machinesUnknown: entry !== undefined && !replaced && entry.machinesUnknown,
      silences: entry?.silences ?? null,
      decommissionedAt: null,
      decommissionedAvailableMs: 0,
      revoked: false,
    });
    this.tombstones.delete(hostId);
    if (endsSilence) this.recordSilence(hostId);
    this.recordEvent(hostId, !entry ? 'registered' : replaced ? 'replaced' : 'registered_again');
    return { status: entry ? 200 : 201, generation };
  }

  heartbeat(hostId: string, generation: number, replica: number, heartbeat: ModelHeartbeat): Outcome {
    if (!this.availability.isAccepting(replica)) return rejection(503, 'replica_not_ready', 'retry');
    const gone = this.credentialRejection(hostId, generation, false);
    if (gone) return gone;
    const entry = this.entry(hostId);
    const otherMachine = heartbeat.machine !== null && heartbeat.machine !== entry.machine;
    const replaced =
      heartbeat.instance !== null &&
      heartbeat.instance !== entry.instance &&
      entry.replacedInstances.includes(heartbeat.instance);
    if (otherMachine || replaced) return rejection(409, 'host_id_conflict', 'ask_operator');
    const availableMs = this.availability.availableBy(replica);
    if (availableMs >= entry.expiresAvailableMs) this.silenceEnded(hostId, entry);
    if (heartbeat.instance !== null && heartbeat.instance !== entry.instance) {
      if (entry.instance !== null) entry.replacedInstances.push(entry.instance);
      entry.instance = heartbeat.instance;
    }
    entry.expiresAvailableMs = Math.max(entry.expiresAvailableMs, availableMs + LEASE_SECONDS * 1000);
    entry.lastSeenAvailableMs = Math.max(entry.lastSeenAvailableMs, availableMs);
    const keepsLast =
      entry.lastHeartbeatAt !== null &&
      entry.lastHeartbeatAt >= this.now() &&
      entry.lastHeartbeatAt <= this.now() + OUT_OF_ORDER_MS;
    if (!keepsLast) entry.lastHeartbeatAt = this.now();
    if (heartbeat.protectedMachines !== null) {
      entry.machinesUnknown = heartbeat.protectedMachines === 'unusable';
      entry.protectedMachines = heartbeat.protectedMachines === 'unusable' ? null : heartbeat.protectedMachines;
    }
    return { status: 200 };
  }

  /** Without a generation, the caller is an operator. */
  decommission(hostId: string, generation: number | null, force: boolean): Outcome {
    if (generation !== null) {
      const rejected = this.credentialRejection(hostId, generation, true);
      if (rejected) return rejected;
    } else {
      const tombstone = this.tombstones.get(hostId);
      if (tombstone) return rejection(410, 'generation_retired');
      if (!this.entries.has(hostId)) return rejection(404, 'process_server_not_found');
    }
    const entry = this.entry(hostId);
    if (entry.decommissionedAt !== null) return { status: 202 };
    if (generation === null && !this.isConnected(entry)) return rejection(409, 'process_server_disconnected');
    if (!force && entry.protectedMachines) return rejection(409, 'machines_protected');
    if (!force && (entry.machinesUnknown || (generation === null && entry.protectedMachines === null)))
      return rejection(409, 'machines_unknown');
    const endsSilence = !this.isConnected(entry);
    entry.decommissionedAt = this.now();
    entry.decommissionedAvailableMs = this.availableMs();
    entry.expiresAvailableMs = Math.min(entry.expiresAvailableMs, this.availableMs() - MAX_REPLICA_CLOCK_SKEW_MS);
    if (endsSilence) this.recordSilence(hostId);
    this.recordEvent(hostId, force ? 'decommissioned_by_force' : 'decommissioned');
    return { status: 202 };
  }

  purge(hostId: string, generation: number, force: boolean): Outcome {
    const entry = this.entries.get(hostId);
    const tombstone = this.tombstones.get(hostId);
    const unseen = this.unseenRejection(hostId, generation);
    if (unseen) return unseen;
    if (tombstone) return tombstone.removal === 'purge' ? { status: 200 } : rejection(410, 'generation_retired');
    if (!force && entry && this.isConnected(entry)) return rejection(409, 'process_server_connected');
    if (!force && entry?.protectedMachines) return rejection(409, 'machines_protected');
    if (!force && entry?.machinesUnknown) return rejection(409, 'machines_unknown');
    this.entries.delete(hostId);
    this.tombstones.set(hostId, { generation, removal: 'purge', purgedAt: this.now() });
    this.recordEvent(hostId, force ? 'purged_by_force' : 'purged');
    return { status: 200 };
  }

  revoke(hostId: string, generation: number): Outcome {
    const unseen = this.unseenRejection(hostId, generation);
    if (unseen) return unseen;
    const entry = this.entries.get(hostId);
    if (!entry || entry.decommissionedAt !== null) return rejection(410, 'generation_retired');
    if (!entry.revoked) this.recordEvent(hostId, 'credential_revoked');
    entry.revoked = true;
    return { status: 200 };
  }

  cleanUp(replica: number): void {
    const { wallMs, availableMs } = this.availability.cleanUpMoment(replica);
    for (const [hostId, { decommissionedAt, decommissionedAvailableMs, generation }] of [...this.entries]) {
      const isDue =
        (wallMs !== null && decommissionedAt !== null && decommissionedAt <= wallMs - GRACE_SECONDS * 1000) ||
        decommissionedAvailableMs <= availableMs - GRACE_SECONDS * 1000;
      if (decommissionedAt === null || !isDue) continue;
      this.entries.delete(hostId);
      this.tombstones.set(hostId, { generation, removal: 'clean_up', purgedAt: this.now() });
      this.recordEvent(hostId, 'removed');
    }
  }

  private entry(hostId: string): ModelEntry {
    const entry = this.entries.get(hostId);
    if (!entry) throw new Error('the model lost an entry');
    return entry;
  }

  /** An operator's decision applies only to the generation that the operator saw. */
  private unseenRejection(hostId: string, generation: number): Rejection | null {
    const current = this.entries.get(hostId)?.generation ?? this.tombstones.get(hostId)?.generation;
    if (current === undefined) return rejection(404, 'process_server_not_found');
    if (generation < current) return rejection(409, 'generation_superseded');
    return generation > current ? rejection(409, 'generation_unknown') : null;
  }

  private credentialRejection(hostId: string, generation: number, mayBeDecommissioned: boolean): Rejection | null {
    const tombstone = this.tombstones.get(hostId);
    if (tombstone) return rejection(410, 'generation_retired', tombstone.removal === 'purge' ? 'ask_operator' : 'stop');
    const entry = this.entries.get(hostId);
    if (entry && entry.decommissionedAt !== null && !(mayBeDecommissioned && entry.generation === generation)) {
      return rejection(410, 'generation_retired', 'stop');
    }
    if (!entry) return rejection(404, 'process_server_not_found', 'reregister');
    if (generation < entry.generation) return rejection(409, 'generation_superseded', 'stop');
    return entry.revoked ? rejection(401, 'credential_revoked', 'reregister') : null;
  }

  private silenceEnded(hostId: string, entry: ModelEntry): void {
    if (entry.silences === null || Math.abs(this.now() - entry.silences.since) >= 3_600_000)
      entry.silences = { since: this.now(), ended: 0 };
    entry.silences.ended += 1;
    if (entry.silences.ended <= 10) this.recordSilence(hostId);
  }

  private recordSilence(hostId: string): void {
    for (const kind of ['disconnected', 'silence_ended', 'reconnected'] as const) this.recordEvent(hostId, kind);
  }

  private recordEvent(hostId: string, kind: string): void {
    this.events.set(hostId, [...(this.events.get(hostId) ?? []), kind]);
  }
}

import { NO_EVENTS_YET } from '../events/event-bounds.js';
import type { Heartbeat, StoredLease } from '../heartbeats/heartbeat.js';
import { NO_REPORT } from '../health/health.js';
import type { LeaseTiming } from '../heartbeats/lease.js';
import type { LockedRecord } from '../ports.js';
import {
  OMITTED_FACTS,
  type Actor,
  type Lease,
  type ProcessServer,
  type ProcessServerFacts,
  type Tombstone,
} from '../process-server.js';
import type { Release } from '../version/release.js';

/** Builders of ordinary values for specs; `over` sets the members that matter. */

export const NOON = new Date('2026-11-23T12:00:00.000Z');
/** The availability clock at noon, unless a spec sets another value. */
export const AVAILABLE_AT_NOON = 1_000_000;
export const HOST_ID = '5f6f5a0e-3b0c-4a52-9a4b-6a2f6c1d0001';

export const msAfter = (time: Date, ms: number): Date => new Date(time.getTime() + ms);

export const TIMING: LeaseTiming = {
  heartbeatIntervalSeconds: 30,
  leaseSeconds: 180,
  maxHeartbeatsPerSecond: 1_000,
};

export const AN_OPERATOR: Actor = { name: 'anna', address: '198.51.100.7', requestId: 'request-1' };

export function someFacts(over: Partial<ProcessServerFacts> = {}): ProcessServerFacts {
  return {
    ...OMITTED_FACTS,
    friendlyName: 'ps-berlin-1',
    ipAddress: '192.0.2.11',
    dataPort: 9443,
    osType: 'Windows',
    osVersion: 'Server 2022',
    agentVersion: '9.63.7187.1',
    machineId: 'machine-1',
    environment: 'VMware',
    cpuCores: 8,
    memoryBytes: 16_000_000_000,
    cacheDiskBytes: 600_000_000_000,
    proxy: null,
    ...over,
  };
}

/** A lease that expires a minute after noon. */
export function aLease(over: Partial<Lease> = {}): Lease {
  return {
    credentialHash: 'aa'.repeat(32),
    revoked: false,
    lastHeartbeatAt: msAfter(NOON, -120_000),
    lastSeenAvailableMs: AVAILABLE_AT_NOON - 120_000,
    expiresAvailableMs: AVAILABLE_AT_NOON + 60_000,
    assignedIntervalSeconds: 30,
    instanceId: null,
    replacedInstanceIds: [],
    sourceAddress: '192.0.2.11',
    skewMs: null,
    ignoredFields: [],
    ...over,
  };
}

/** A Connected entry of generation 3. */
export function aProcessServer(over: Partial<ProcessServer> = {}): ProcessServer {
  return {
    hostId: HOST_ID,
    generation: 3,
    facts: someFacts(),
    registeredAt: msAfter(NOON, -3_600_000),
    passphraseId: 'passphrase-1',
    enrolmentId: null,
    decommission: null,
    lease: aLease(),
    health: NO_REPORT,
    ...over,
  };
}

/** The same entry, with a lease that expired at noon. */
export function aDisconnectedServer(over: Partial<ProcessServer> = {}): ProcessServer {
  return aProcessServer({ lease: aLease({ expiresAvailableMs: AVAILABLE_AT_NOON }), ...over });
}

/** The same entry, decommissioned a minute before noon. */
export function aDecommissionedServer(over: Partial<ProcessServer> = {}): ProcessServer {
  return aDisconnectedServer({
    decommission: { at: msAfter(NOON, -60_000), by: 'anna', reason: null, removeBy: msAfter(NOON, 360_000) },
    ...over,
  });
}

export function aTombstone(over: Partial<Tombstone> = {}): Tombstone {
  return {
    hostId: HOST_ID,
    generation: 3,
    friendlyName: 'ps-berlin-1',
    ipAddress: '192.0.2.11',
    removedAt: msAfter(NOON, -60_000),
    removedBy: 'anna',
    reason: 'scrapped',
    removal: 'purge',
    planId: null,
    ...over,
  };
}

/** The input of a decision at noon. */
export function aLockedRecord(over: Partial<LockedRecord> = {}): LockedRecord {
  return { entry: null, tombstone: null, at: NOON, availableMs: AVAILABLE_AT_NOON, generationFloor: 0, ...over };
}

/** A heartbeat of `aProcessServer` without any report. */
export function aHeartbeat(over: Partial<Heartbeat> = {}): Heartbeat {
  return {
    hostId: HOST_ID,
    generation: 3,
    credentialHash: 'aa'.repeat(32),
    sourceAddress: '192.0.2.11',
    requestId: 'request-1',
    machineId: null,
    instanceId: null,
    agentVersion: null,
    skewMs: null,
    load: null,
    services: null,
    protectedMachineCount: null,
    replicationPairCount: null,
    churnBytesPerDay: null,
    certificateExpiresAt: null,
    withdrawn: null,
    ignored: null,
    ...over,
  };
}

/** The stored lease against which `aHeartbeat` is checked. */
export function aStoredLease(over: Partial<StoredLease> = {}): StoredLease {
  return {
    generation: 3,
    credentialHash: 'aa'.repeat(32),
    retired: false,
    revoked: false,
    instanceId: null,
    replacedInstanceIds: [],
    sourceAddress: '192.0.2.11',
    expiresAvailableMs: AVAILABLE_AT_NOON + 60_000,
    lastSeenAt: msAfter(NOON, -120_000),
    machineId: 'machine-1',
    agentVersion: '9.63.7187.1',
    osKey: 'Windows',
    eventBounds: NO_EVENTS_YET,
    ...over,
  };
}

/** A supported release of the minor before that of `someFacts`. */
export function aRelease(over: Partial<Release> = {}): Release {
  return {
    component: 'ProcessServer',
    osType: 'Windows',
    version: { major: 9, minor: 62, build: 0, revision: 0 },
    releasedAt: msAfter(NOON, -86_400_000),
    supportEndsAt: msAfter(NOON, 365 * 86_400_000),
    flags: [],
    sizeBytes: 1_000,
    sha256: 'ab'.repeat(32),
    downloadUrl: 'https://packages.example.net/ps.exe',
    packageFile: null,
    ...over,
  };
}

import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { CleanUp, ConsistencyCheck, HeartbeatReceiver, LocalAvailabilityClock, Monitor } from '@app/fleet';
import { KeyRingStore, SecretStore } from '@app/fleet-mysql';
import { ConnectionLimiter } from '../../apps/configuration-server/src/edge/connection-limiter.js';
import { CERTIFICATE } from '../../apps/configuration-server/src/edge/edge.module.js';
import type { TlsCertificate } from '../../apps/configuration-server/src/edge/tls-certificate.js';
import { AvailabilityRecorder } from '../../apps/configuration-server/src/heartbeats/availability-recorder.js';

/** A replica in the process of a test, with the parts that tests look into or run themselves. */
export class TestReplica {
  readonly secrets: SecretStore;
  readonly keys: KeyRingStore;
  /** Null without TLS. */
  readonly certificate: TlsCertificate | null;
  readonly availabilityClock: LocalAvailabilityClock;
  readonly availability: AvailabilityRecorder;
  readonly receiver: HeartbeatReceiver;
  readonly cleanUp: CleanUp;
  readonly consistency: ConsistencyCheck;
  readonly monitor: Monitor;
  readonly connections: ConnectionLimiter;

  constructor(readonly http: NestFastifyApplication) {
    this.secrets = http.get(SecretStore);
    this.keys = http.get(KeyRingStore);
    this.certificate = http.get<TlsCertificate | null>(CERTIFICATE);
    this.availabilityClock = http.get(LocalAvailabilityClock);
    this.availability = http.get(AvailabilityRecorder);
    this.receiver = http.get(HeartbeatReceiver);
    this.cleanUp = http.get(CleanUp);
    this.consistency = http.get(ConsistencyCheck);
    this.monitor = http.get(Monitor);
    this.connections = http.get(ConnectionLimiter);
  }

  stop(): Promise<void> {
    return this.http.close();
  }
}

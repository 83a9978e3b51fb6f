import type { Moment } from '../availability/moment.js';
import { systemAuthor, type FleetEvent } from '../events/fleet-event.js';
import { healthErrorsAt, type HealthErrorCode } from '../health/health-errors.js';
import { CERTIFICATE_WARNING_MS, healthAt, type Health, type ReportedHealth } from '../health/health.js';
import type { ProcessServer } from '../process-server.js';
import { CERTIFICATE_STAGES, DAY_MS, type CertificateStage } from './certificate-events.js';
import { MONITOR } from './connection-events.js';

/** The health and the errors of which the last event was written. */
export interface PublishedHealth {
  readonly health: Health;
  readonly errors: readonly HealthErrorCode[];
}

type ReviewedServer = Pick<ProcessServer, 'registeredAt' | 'decommission' | 'health'> & {
  readonly lease: Pick<ProcessServer['lease'], 'expiresAvailableMs' | 'lastSeenAvailableMs' | 'lastHeartbeatAt'>;
};

/** The health now, by the rules of list and detail. */
export function healthToPublish(server: ReviewedServer, moment: Moment, windowMs: number): PublishedHealth {
  const { lease, health: reported, registeredAt } = server;
  const healthMoment = { ...moment, connected: moment.availableMs < lease.expiresAvailableMs, windowMs };
  const inputs = {
    decommissioned: server.decommission !== null,
    silentMs: moment.availableMs - lease.lastSeenAvailableMs,
    lastSeenAt: lease.lastHeartbeatAt ?? registeredAt,
    reported,
  };
  return {
    health: healthAt(healthMoment, inputs),
    errors: healthErrorsAt(healthMoment, inputs).map(({ code }) => code),
  };
}

const isProblem = (health: Health): boolean => health === 'Warning' || health === 'Critical';

/**
 * The detail of `health_changed`; null when no event is needed. None and Normal alternate without an event: nothing is wrong, and
 * a silence has events of its own.
 */
export function healthChange(before: PublishedHealth, now: PublishedHealth): FleetEvent['detail'] | null {
  const raised = now.errors.filter((code) => !before.errors.includes(code));
  const cleared = before.errors.filter((code) => !now.errors.includes(code));
  const isChanged = before.health !== now.health && (isProblem(before.health) || isProblem(now.health));
  if (!isChanged && raised.length + cleared.length === 0) return null;
  return { from: before.health, to: now.health, raised, cleared };
}

/** The event of a change. */
export const healthEvent = (
  id: string,
  { hostId, generation }: Pick<ProcessServer, 'hostId' | 'generation'>,
  at: Date,
  detail: FleetEvent['detail'],
): FleetEvent => ({ id, at, kind: 'health_changed', hostId, generation, ...systemAuthor(MONITOR), detail });

type ReportedCertificate = Pick<ReportedHealth, 'certificateExpiresAt' | 'certificateKnownAt'>;

/** The stage of a certificate that was first reported within the last two days. Its earlier stages have no event. */
export function newCertificateStage(
  { certificateExpiresAt, certificateKnownAt }: ReportedCertificate,
  at: Date,
): CertificateStage | null {
  if (!certificateExpiresAt || !certificateKnownAt || at.getTime() - certificateKnownAt.getTime() >= 2 * DAY_MS)
    return null;
  const leftMs = certificateExpiresAt.getTime() - at.getTime();
  return CERTIFICATE_STAGES.findLast((stage) => leftMs <= stage * DAY_MS) ?? null;
}

/** With exactly 60 days left, the event is written but the Warning begins a millisecond later. */
export const isBeforeWarning = ({ certificateExpiresAt }: ReportedCertificate, at: Date): boolean =>
  certificateExpiresAt !== null && certificateExpiresAt.getTime() - at.getTime() === CERTIFICATE_WARNING_MS;

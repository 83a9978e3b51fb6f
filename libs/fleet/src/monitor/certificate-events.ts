import { systemAuthor, type FleetEvent } from '../events/fleet-event.js';
import type { Identifiers } from '../ports.js';
import { MONITOR } from './connection-events.js';

/** Days before the expiry of a certificate at which an event is written, first to last; 0 is the expiry. */
export const CERTIFICATE_STAGES = [60, 30, 7, 0] as const;
export type CertificateStage = (typeof CERTIFICATE_STAGES)[number];

export const DAY_MS = 24 * 3_600_000;

/** The expiries of the certificates that reach a stage between two times, without those that have passed the next stage. */
export function expiriesReaching(
  stage: CertificateStage,
  after: Date,
  until: Date,
): { readonly after: Date; readonly until: Date } {
  const next = CERTIFICATE_STAGES[CERTIFICATE_STAGES.indexOf(stage) + 1];
  const from = after.getTime() + stage * DAY_MS;
  return {
    after: new Date(next === undefined ? from : Math.max(from, until.getTime() + next * DAY_MS)),
    until: new Date(until.getTime() + stage * DAY_MS),
  };
}

/** Written once for each certificate and stage. */
export function certificateEvent(
  { hostId, generation, expiresAt }: { readonly hostId: string; readonly generation: number; readonly expiresAt: Date },
  stage: CertificateStage,
  at: Date,
  identifiers: Pick<Identifiers, 'deterministicId'>,
): FleetEvent {
  const certificateExpiresAt = expiresAt.toISOString();
  return {
    id: identifiers.deterministicId(`${hostId} certificate ${certificateExpiresAt} ${stage}`),
    at,
    kind: stage === 0 ? 'certificate_expired' : 'certificate_expiring',
    hostId,
    generation,
    ...systemAuthor(MONITOR),
    detail: stage === 0 ? { certificateExpiresAt } : { certificateExpiresAt, daysBefore: stage },
  };
}

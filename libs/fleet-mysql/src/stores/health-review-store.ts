import {
  certificateEvent,
  type CleanUpMoment,
  HEALTH_ERROR_CODES,
  HEALTH_WINDOW_MS,
  healthChange,
  healthEvent,
  healthToPublish,
  isBeforeWarning,
  isSilenceSuppressed,
  newCertificateStage,
  NO_EVENTS_YET,
  type EventBounds,
  type FleetEvent,
  type Health,
  type HealthReviews,
  type Identifiers,
  type PublishedHealth,
  type ReviewBatch,
} from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { insertEvents, insertEventsOnce } from '../statements/events.js';
import { FIND_REVIEW_DUE, LOCK_REVIEW_DUE, PUBLISH_HEALTH, type ReviewRow } from '../statements/health-review.js';
import { toProcessServer } from '../statements/rows.js';

/** In the order of their stored numbers. */
const HEALTHS: readonly Health[] = ['None', 'Normal', 'Warning', 'Critical'];

const bitsOf = ({ errors }: PublishedHealth): number =>
  errors.reduce((bits, code) => bits | (1 << HEALTH_ERROR_CODES.indexOf(code)), 0);
const publishedOf = ({ published_health, published_errors }: ReviewRow): PublishedHealth => ({
  health: HEALTHS[published_health ?? 0] ?? 'None',
  errors: HEALTH_ERROR_CODES.filter((_, index) => (published_errors ?? 0) & (1 << index)),
});
const boundsOf = ({ event_bounds }: ReviewRow): EventBounds =>
  event_bounds === null ? NO_EVENTS_YET : (JSON.parse(event_bounds) as EventBounds);

/** Publishes the health of entries that are due for a review. */
export class HealthReviewStore implements HealthReviews {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly windowMs = HEALTH_WINDOW_MS,
  ) {}

  async reviewDue(moment: () => CleanUpMoment, limit: number, after: string): Promise<ReviewBatch> {
    const found = await this.database.rows<{ host_id: string }>(FIND_REVIEW_DUE, [after, limit]);
    const hostIds = found.map(({ host_id }) => host_id);
    const next = hostIds.length === limit ? (hostIds.at(-1) ?? null) : null;
    if (hostIds.length === 0) return { written: 0, next };
    // Idempotent: entries that an attempt has published are no longer due.
    const written = await this.database.transaction((transaction) => this.reviewLocked(transaction, hostIds, moment));
    return { written, next };
  }

  private async reviewLocked(
    transaction: Transaction,
    hostIds: readonly string[],
    moment: () => CleanUpMoment,
  ): Promise<number> {
    const rows = await transaction.rows<ReviewRow>(LOCK_REVIEW_DUE, [hostIds]);
    const now = moment();
    // While a process server flaps, its review waits, so that its health has no more events than its silences.
    const reviewed = rows.filter((row) => !isSilenceSuppressed(boundsOf(row), now.at));
    if (reviewed.length === 0) return 0;
    const changes: FleetEvent[] = [];
    const certificates: FleetEvent[] = [];
    const published = reviewed.map((row) => {
      const server = toProcessServer(row);
      const health = healthToPublish(server, now, this.windowMs);
      const detail = server.decommission ? null : healthChange(publishedOf(row), health);
      if (detail) changes.push(healthEvent(this.identifiers.newId(now.at), server, now.at, detail));
      const stage = server.decommission ? null : newCertificateStage(server.health, now.at);
      const expiresAt = server.health.certificateExpiresAt;
      if (stage !== null && expiresAt && !now.hasJustStepped)
        certificates.push(certificateEvent({ ...server, expiresAt }, stage, now.at, this.identifiers));
      return [
        row.host_id,
        HEALTHS.indexOf(health.health),
        bitsOf(health),
        Number(isBeforeWarning(server.health, now.at) || (stage !== null && now.hasJustStepped)),
      ];
    });
    await transaction.write(PUBLISH_HEALTH, [JSON.stringify(published)]);
    await insertEventsOnce(transaction, certificates);
    await insertEvents(transaction, changes);
    return changes.length;
  }
}

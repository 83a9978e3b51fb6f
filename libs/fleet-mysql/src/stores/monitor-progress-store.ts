import {
  CERTIFICATE_WARNING_MS,
  certificateEvent,
  disconnectedEvent,
  expiriesReaching,
  isSilenceSuppressed,
  NO_EVENTS_YET,
  type CertificateStage,
  type EndedLease,
  type EventBounds,
  type FleetEvent,
  type HealthScan,
  type Identifiers,
  type Moment,
  type MonitorBatch,
  type MonitorScan,
  type MonitorStore,
} from '@app/fleet';
import type { Database, Statement, Transaction } from '../database.js';
import { MONITOR_PROGRESS } from '../entities/fleet-tables.js';
import { MAX_UUID } from '../entities/columns.js';
import type { RowOf } from '../entities/table.js';
import { insertEventsOnce } from '../statements/events.js';
import {
  FIND_AGED_CERTIFICATES,
  FIND_AGED_LOADS,
  FIND_AGED_SERVICES,
  FIND_SILENT,
  MARK_REVIEW_DUE,
} from '../statements/health-review.js';
import { loadReportBucketOf } from '../statements/heartbeat-rows.js';

const SEARCHES_PER_WINDOW = 15;

type ProgressRow = RowOf<typeof MONITOR_PROGRESS>;

/** Locks the watermark of a scan, unless another replica runs it. Param: scan. */
const LOCK_PROGRESS = `
  SELECT ${MONITOR_PROGRESS.of('g')} FROM monitor_progress AS g WHERE g.scan = ? FOR UPDATE SKIP LOCKED`;
/** Param: scan. */
const READ_PROGRESS = `SELECT ${MONITOR_PROGRESS.of('g')} FROM monitor_progress AS g WHERE g.scan = ?`;
/** Params: position in milliseconds, host id, scan. */
const ADVANCE_PROGRESS = 'UPDATE monitor_progress AS g SET g.position_ms = ?, g.host_id = ? WHERE g.scan = ?';

/** Params: from (twice), host id, to, limit. The entry tells whether it is Registered. */
const READ_ENDED_LEASES = `
  SELECT l.host_id, l.generation, l.expires_available_ms, l.source_address, l.event_bounds, p.decommissioned_at,
         COALESCE(l.last_heartbeat_at, p.registered_at) AS last_seen_at
    FROM process_server_lease AS l FORCE INDEX (ix_lease_expiry)
   STRAIGHT_JOIN process_server AS p ON p.host_id = l.host_id
   WHERE l.expires_available_ms >= ? AND (l.expires_available_ms > ? OR l.host_id > ?) AND l.expires_available_ms <= ?
   ORDER BY l.expires_available_ms, l.host_id
   LIMIT ?`;

/** Params: from (twice), host id, to, limit. */
const READ_CERTIFICATES = `
  SELECT h.host_id, h.certificate_expires_at, p.generation, p.decommissioned_at
    FROM process_server_health AS h FORCE INDEX (ix_certificate_expiry)
   STRAIGHT_JOIN process_server AS p ON p.host_id = h.host_id
   WHERE h.certificate_expires_at >= ? AND (h.certificate_expires_at > ? OR h.host_id > ?) AND h.certificate_expires_at <= ?
   ORDER BY h.certificate_expires_at, h.host_id
   LIMIT ?`;

/** The same backwards. Params: from, to (twice), host id, limit. */
const READ_CERTIFICATES_BACKWARDS = `
  SELECT h.host_id, h.certificate_expires_at
    FROM process_server_health AS h FORCE INDEX (ix_certificate_expiry)
   WHERE h.certificate_expires_at > ? AND h.certificate_expires_at <= ? AND (h.certificate_expires_at < ? OR h.host_id < ?)
   ORDER BY h.certificate_expires_at DESC, h.host_id DESC
   LIMIT ?`;

interface EndedLeaseRow {
  readonly host_id: string;
  readonly generation: number;
  readonly expires_available_ms: number;
  readonly source_address: string;
  readonly event_bounds: string | null;
  readonly decommissioned_at: Date | null;
  readonly last_seen_at: Date;
}

interface CertificateRow {
  readonly host_id: string;
  readonly certificate_expires_at: Date;
  readonly generation: number;
  readonly decommissioned_at: Date | null;
}

interface Position {
  readonly ms: number;
  readonly hostId: string;
}

/** Finds what is between the position and `until`. */
type Find = (transaction: Transaction, position: Position, until: number) => Promise<Found>;

/** The events of one batch, the entries whose health may have changed, and the position after it; null when nothing is left. */
interface Found {
  readonly hostIds: readonly string[];
  readonly events: readonly FleetEvent[];
  readonly next: Position | null;
}

interface AgedRow {
  readonly host_id: string;
  readonly position_ms: number;
}

function agedQuery(scan: HealthScan, { at, availableMs }: Moment, from: number, until: number): Statement {
  switch (scan) {
    case 'silent':
      return { sql: FIND_SILENT, parameters: [] };
    case 'aged_load':
      return {
        sql: FIND_AGED_LOADS,
        parameters: [loadReportBucketOf(from), loadReportBucketOf(until), availableMs],
      };
    case 'aged_services':
      return { sql: FIND_AGED_SERVICES, parameters: [availableMs] };
    case 'aged_certificate':
      return {
        sql: FIND_AGED_CERTIFICATES,
        parameters: [new Date(at.getTime() + CERTIFICATE_WARNING_MS), availableMs],
      };
  }
}

/** No index leads to services and certificates by the age of their report, so they are searched once in a fifteenth of the window. */
function searchedUntil(scan: HealthScan, until: number, windowMs: number): number {
  if (scan === 'silent' || scan === 'aged_load') return until;
  const stepMs = Math.max(1, windowMs / SEARCHES_PER_WINDOW);
  return Math.floor(until / stepMs) * stepMs;
}

const boundsOf = ({ event_bounds }: EndedLeaseRow): EventBounds =>
  event_bounds === null ? NO_EVENTS_YET : (JSON.parse(event_bounds) as EventBounds);
const toEndedLease = (row: EndedLeaseRow): EndedLease => ({
  hostId: row.host_id,
  generation: row.generation,
  expiresAvailableMs: row.expires_available_ms,
  lastSeenAt: row.last_seen_at,
  sourceAddress: row.source_address,
});

/** The watermarks of the monitor and the events that it writes. */
export class MonitorProgressStore implements MonitorStore {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
  ) {}

  recordDisconnected({ at, availableMs }: Moment, lagMs: number, limit: number): Promise<MonitorBatch> {
    return this.advance('disconnected', availableMs - lagMs, async (transaction, { ms, hostId }, until) => {
      const rows = await transaction.rows<EndedLeaseRow>(READ_ENDED_LEASES, [ms, ms, hostId, until, limit]);
      const last = rows.at(-1);
      return {
        hostIds: rows.map(({ host_id }) => host_id),
        events: rows
          .filter((row) => row.decommissioned_at === null && !isSilenceSuppressed(boundsOf(row), at))
          .map((row) => disconnectedEvent(toEndedLease(row), { at, availableMs }, this.identifiers)),
        next: last && rows.length === limit ? { ms: last.expires_available_ms, hostId: last.host_id } : null,
      };
    });
  }

  /**
   * The position is the wall time up to which certificates have reached the stage. When the clock was ahead and is right again, the
   * position goes back with it; events that are written already have the same ids, so none is repeated.
   */
  recordCertificates(stage: CertificateStage, now: Date, limit: number): Promise<MonitorBatch> {
    const shiftMs = expiriesReaching(stage, new Date(0), new Date(0)).until.getTime();
    const find: Find = async (transaction, { ms, hostId }, until) => {
      const range = expiriesReaching(stage, new Date(ms), new Date(until));
      const isResumed = range.after.getTime() === ms + shiftMs;
      const rows = await transaction.rows<CertificateRow>(READ_CERTIFICATES, [
        range.after,
        range.after,
        isResumed ? hostId : MAX_UUID,
        range.until,
        limit,
      ]);
      return {
        hostIds: rows.map(({ host_id }) => host_id),
        events: rows
          .filter(({ decommissioned_at }) => decommissioned_at === null)
          .map(({ host_id, generation, certificate_expires_at }) =>
            certificateEvent(
              { hostId: host_id, generation, expiresAt: certificate_expires_at },
              stage,
              now,
              this.identifiers,
            ),
          ),
        next: nextCertificate(rows, shiftMs, limit),
      };
    };
    return this.advance(`certificate_${stage}`, now.getTime(), find, (transaction, position, until) =>
      findBackwards(transaction, position, until, { shiftMs, limit }),
    );
  }

  /** The position is the time on the availability clock up to which reports are older than the window. */
  markAged(scan: HealthScan, moment: Moment, windowMs: number, limit: number): Promise<MonitorBatch> {
    return this.advance(
      scan,
      searchedUntil(scan, moment.availableMs - windowMs, windowMs),
      async (transaction, { ms, hostId }, until) => {
        const { sql, parameters } = agedQuery(scan, moment, ms, until);
        const rows = await transaction.rows<AgedRow>(sql, [...parameters, ms, ms, hostId, until, limit]);
        const last = rows.at(-1);
        return {
          hostIds: rows.map(({ host_id }) => host_id),
          events: [],
          next: last && rows.length === limit ? { ms: last.position_ms, hostId: last.host_id } : null,
        };
      },
    );
  }

  async watermark(scan: MonitorScan): Promise<number | null> {
    const [row] = await this.database.rows<ProgressRow>(READ_PROGRESS, [scan]);
    return row?.position_ms ?? null;
  }

  /** Writes the events between the watermark and `until`, and moves the watermark; back only with `goBack`. */
  private advance(scan: MonitorScan, until: number, find: Find, goBack?: Find): Promise<MonitorBatch> {
    return this.database.transaction(async (transaction) => {
      const [row] = await transaction.rows<ProgressRow>(LOCK_PROGRESS, [scan]);
      if (!row) return this.begin(transaction, scan);
      const search = row.position_ms < until ? find : row.position_ms > until ? goBack : undefined;
      if (!search) return { written: 0, more: false };
      const { events, hostIds, next } = await search(transaction, { ms: row.position_ms, hostId: row.host_id }, until);
      await insertEventsOnce(transaction, events);
      if (hostIds.length > 0) await transaction.write(MARK_REVIEW_DUE, [hostIds]);
      const position = next ?? { ms: until, hostId: MAX_UUID };
      await transaction.write(ADVANCE_PROGRESS, [position.ms, position.hostId, scan]);
      return { written: events.length, more: next !== null };
    });
  }

  /** The first batch begins before the clocks. A missing row may also be locked by another replica. */
  private async begin(transaction: Transaction, scan: MonitorScan): Promise<MonitorBatch> {
    const [existing] = await transaction.rows<ProgressRow>(READ_PROGRESS, [scan]);
    if (existing) return { written: 0, more: false };
    await transaction.executeAll([MONITOR_PROGRESS.insert([{ scan, position_ms: -1, host_id: MAX_UUID }])]);
    return { written: 0, more: true };
  }
}

/** The certificates that had reached a stage by a clock that was ahead: their health is reviewed. */
async function findBackwards(
  transaction: Transaction,
  { ms, hostId }: Position,
  until: number,
  { shiftMs, limit }: { readonly shiftMs: number; readonly limit: number },
): Promise<Found> {
  const from = new Date(until + shiftMs);
  const to = new Date(ms + shiftMs);
  const parameters = [from, to, to, hostId, limit];
  const rows = await transaction.rows<CertificatePosition>(READ_CERTIFICATES_BACKWARDS, parameters);
  return { hostIds: rows.map(({ host_id }) => host_id), events: [], next: nextCertificate(rows, shiftMs, limit) };
}

type CertificatePosition = Pick<CertificateRow, 'host_id' | 'certificate_expires_at'>;

function nextCertificate(rows: readonly CertificatePosition[], shiftMs: number, limit: number): Position | null {
  const last = rows.at(-1);
  if (!last || rows.length < limit) return null;
  return { ms: last.certificate_expires_at.getTime() - shiftMs, hostId: last.host_id };
}

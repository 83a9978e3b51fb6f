import { callerAuthor, operatorName, type Clock, type EventKind, type Registry } from '@app/fleet';
import { canonicalHostId, type ProblemCode } from '@app/api-contract';
import type { RateLimitedLog } from '../edge/rate-limited-log.js';
import { CallDeadline } from './call-deadline.js';
import type { AuthenticatedRequest } from './principal.js';
import { addressBlockOf } from './failed-attempts.js';

/** Rejections of a caller with the kind of their event; null if another event records them. */
const EVENT_KIND_BY_PROBLEM: Readonly<Partial<Record<ProblemCode, EventKind | null>>> = {
  authentication_required: 'refused_authentication_required',
  passphrase_rejected: 'refused_passphrase_rejected',
  enrolment_rejected: 'refused_enrolment_rejected',
  enrolment_unknown_site: 'refused_enrolment_unknown_site',
  enrolment_expired: 'refused_enrolment_expired',
  enrolment_revoked: 'refused_enrolment_revoked',
  enrolment_used_up: 'refused_enrolment_used_up',
  api_key_rejected: 'refused_api_key_rejected',
  credential_rejected: 'refused_credential_rejected',
  permission_denied: 'refused_permission_denied',
  credential_revoked: null,
  authentication_attempts_exceeded: null,
};

/** Unknown callers recorded in an hour at one replica, so that a caller with changing addresses cannot fill the event table. */
const MAX_UNKNOWN_CALLERS = 100;
const HOUR_MS = 3_600_000;
/** Maximum delay of a rejection while its event is written. */
const MAX_WAIT_MS = 1_000;

/** Logs each rejected caller and records one event for each caller, kind and hour: caller, address and call, never a secret. */
export class RejectedRequestAudit {
  private hour = 0;
  /** Keys recorded in this hour. */
  private readonly audited = { known: new Set<string>(), unknown: new Set<string>() };
  /** Events not written because too many callers were rejected. */
  suppressedEvents = 0;

  constructor(
    private readonly registry: Pick<Registry, 'recordRejection'>,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly log: RateLimitedLog,
  ) {}

  /** Call it with each problem before it is sent. Null if there is nothing to wait for: no caller is rejected, or the event is written. */
  record(request: AuthenticatedRequest, code: string): Promise<unknown> | null {
    const kind = EVENT_KIND_BY_PROBLEM[code as ProblemCode];
    if (kind === undefined) return null;
    const { id, clientAddress: address, presented, principal } = request;
    const { hostId: given = '' } = (request.params ?? {}) as { hostId?: string };
    const hostId = canonicalHostId(given);
    const facts = { code, call: callOf(request), ...(hostId && { hostId }), ...presented };
    this.log.warn({ ...facts, address, requestId: id }, 'a caller was rejected');
    if (kind === null || principal?.kind === 'process_server') return null; // recorded on the timeline of the host
    const known = presented?.keyName === undefined ? null : operatorName(presented.keyName);
    const auditKey = known ?? addressBlockOf(address);
    const key = `${kind} ${auditKey}`;
    const audited = this.auditedThisHour()[known === null ? 'unknown' : 'known'];
    if (audited.has(key)) return null;
    if (known === null && audited.size >= MAX_UNKNOWN_CALLERS) {
      this.suppressedEvents += 1;
      return null;
    }
    audited.add(key);
    const author = callerAuthor({ name: known ?? 'unknown-caller', address, requestId: id });
    const recording = this.registry
      .recordRejection({ kind, hostId: null, generation: null, ...author, detail: facts }, auditKey)
      .catch(() => audited.delete(key)); // the next rejection is recorded instead
    return new CallDeadline(MAX_WAIT_MS).within(recording).catch(() => undefined);
  }

  private auditedThisHour(): RejectedRequestAudit['audited'] {
    const hour = Math.floor(this.clock.now().getTime() / HOUR_MS);
    if (hour !== this.hour) for (const callers of Object.values(this.audited)) callers.clear();
    this.hour = hour;
    return this.audited;
  }
}

/** The method and the documented route: the path itself may contain anything. */
const callOf = ({ method, routeOptions }: AuthenticatedRequest): string =>
  `${method} ${(routeOptions.url ?? '').replace(/:(\w+)/g, '{$1}')}`;

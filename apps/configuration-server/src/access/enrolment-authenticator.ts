import { enrolmentError, FleetError, type Clock } from '@app/fleet';
import type { EnrolmentStore } from '@app/fleet-mysql';
import type { EnrolmentTokens } from '@app/platform';
import type { FailedAttemptTracker } from './failed-attempts.js';
import type { AuthenticatedRequest, Principal } from './principal.js';

/** Receives the quota of a limited caller, and the enrolment that it presented. */
type IncomingCall = Pick<AuthenticatedRequest, 'clientAddress' | 'presented' | 'quota'>;

const REJECTED_BY_A_REGISTRATION: readonly string[] = [
  'enrolment_rejected',
  'enrolment_expired',
  'enrolment_revoked',
  'enrolment_used_up',
];

/** Authenticates callers by the tokens of enrolments. A used-up one is accepted: its registrations may be repeated. */
export class EnrolmentAuthenticator {
  constructor(
    private readonly enrolments: EnrolmentStore,
    private readonly tokens: EnrolmentTokens,
    private readonly failedAttempts: FailedAttemptTracker,
    private readonly clock: Clock,
  ) {}

  /**
   * A forged token, or one of another site, costs no database read. `acceptsEnded` also accepts an expired or revoked enrolment.
   * @throws FleetError `enrolment_rejected`, `enrolment_unknown_site`, `enrolment_expired`, `enrolment_revoked`.
   */
  async authenticate(token: string, request: IncomingCall, acceptsEnded: boolean): Promise<Principal> {
    const verified = this.tokens.verify(await this.enrolments.siteId(), token);
    if (verified.verdict === 'unknown_site')
      return this.reject(new FleetError({ code: 'enrolment_unknown_site' }), request);
    const enrolment = verified.verdict === 'genuine' ? await this.enrolments.findByHash(verified.hash) : null;
    if (!enrolment) return this.reject(new FleetError({ code: 'enrolment_rejected' }), request);
    request.presented = { enrolmentId: enrolment.enrolmentId };
    const error = enrolmentError(this.clock.now(), enrolment);
    if (error && error.code !== 'enrolment_used_up' && !acceptsEnded)
      return this.reject(new FleetError(error), request);
    return { kind: 'enrolment', enrolment };
  }

  /**
   * Counts an enrolment that the transaction of a registration rejected as a wrong secret.
   * @throws FleetError `authentication_attempts_exceeded`; otherwise `error`.
   */
  async countRejection(error: unknown, request: IncomingCall): Promise<never> {
    if (error instanceof FleetError && REJECTED_BY_A_REGISTRATION.includes(error.details.code))
      return this.reject(error, request);
    throw error;
  }

  private async reject(error: FleetError, request: IncomingCall): Promise<never> {
    await this.failedAttempts.countFailure('enrolment', request);
    throw error;
  }
}

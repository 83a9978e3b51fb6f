import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { Clock, Randomness } from '@app/fleet';
import { EnrolmentStore, KeyRingStore, RegistryStore } from '@app/fleet-mysql';
import { EnrolmentTokens, HmacCredentials } from '@app/platform';
import { EdgeModule } from '../edge/edge.module.js';
import { RateLimitedLog } from '../edge/rate-limited-log.js';
import { DtoPipe } from '../problems/validation.pipe.js';
import { APP_OPTIONS } from '../site/app-options.js';
import { construct, provide } from '../site/provide.js';
import { AuthGuard } from './auth.guard.js';
import { Authenticator } from './authenticator.js';
import { DeadlineInterceptor } from './deadline.interceptor.js';
import { EnrolmentAuthenticator } from './enrolment-authenticator.js';
import { FailedAttemptTracker } from './failed-attempts.js';
import { ProblemFilter } from './problem.filter.js';
import { RateLimit } from './rate-limit.js';
import { RejectedHeartbeatRecorder } from './rejected-heartbeat-recorder.js';
import { RejectedRequestAudit } from './rejected-request-audit.js';

const PROVIDERS = [
  construct(FailedAttemptTracker, [Clock, RegistryStore]),
  construct(RejectedRequestAudit, [RegistryStore, Clock, RateLimitedLog]),
  construct(EnrolmentAuthenticator, [EnrolmentStore, EnrolmentTokens, FailedAttemptTracker, Clock]),
  provide(
    Authenticator,
    [APP_OPTIONS, KeyRingStore, HmacCredentials, EnrolmentAuthenticator, FailedAttemptTracker, Clock],
    ({ settings: { limits, metricsRequireReader } }, keys, credentials, enrolments, failedAttempts, clock) => {
      const rateLimits = {
        perApiKey: new RateLimit(limits.apiKeyRequestsPerSecond, clock),
        anonymous: new RateLimit(limits.anonymousRequestsPerSecond, clock),
      };
      return new Authenticator(keys, credentials, enrolments, failedAttempts, rateLimits, metricsRequireReader);
    },
  ),
  provide(
    AuthGuard,
    [Authenticator, APP_OPTIONS],
    (authenticator, { responseTimeoutMs }) => new AuthGuard(authenticator, responseTimeoutMs),
  ),
  construct(RejectedHeartbeatRecorder, [RegistryStore]),
  construct(ProblemFilter, [Randomness, AuthGuard, RejectedHeartbeatRecorder]),
];

/** Authentication, permissions and rate limits of all routes, and their problems. */
@Module({
  imports: [EdgeModule],
  providers: [
    ...PROVIDERS,
    { provide: APP_GUARD, useExisting: AuthGuard },
    { provide: APP_FILTER, useExisting: ProblemFilter },
    { provide: APP_INTERCEPTOR, useClass: DeadlineInterceptor },
    { provide: APP_PIPE, useClass: DtoPipe },
  ],
  exports: PROVIDERS,
})
export class AccessModule {}

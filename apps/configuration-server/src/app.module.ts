import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import {
  Clock,
  RemovalService,
  HeartbeatReceiver,
  KeyService,
  PurgePlanner,
  Randomness,
  RegistrationService,
} from '@app/fleet';
import { AuthGuard, authenticateWithin } from './access/auth.guard.js';
import { RESPONSE_TIMEOUT_MS } from './access/call-deadline.js';
import { Authenticator } from './access/authenticator.js';
import { DeadlineInterceptor } from './access/deadline.interceptor.js';
import type { RejectedRequestAudit } from './access/rejected-request-audit.js';
import { FleetController } from './queries/fleet.controller.js';
import { FleetSummaryCache } from './queries/fleet-summary-cache.js';
import { HealthController } from './operations/health.controller.js';
import { Metrics } from './operations/metrics.js';
import { InstanceStatus } from './operations/instance-status.js';
import { KeysController } from './keys/keys.controller.js';
import { ProblemFilter } from './access/problem.filter.js';
import { validationPipe } from './problems/validation.pipe.js';
import { RemovalController } from './removal/removal.controller.js';
import { DiagnosisService } from './queries/diagnosis.js';
import { EventExports } from './queries/event-exports.js';
import { ProcessServerQueries } from './queries/process-server-queries.js';
import { HeartbeatsController } from './heartbeats/heartbeats.controller.js';
import { ProcessServersController } from './queries/process-servers.controller.js';
import { RegistrationController } from './registration/registration.controller.js';
import { RejectedHeartbeatRecorder } from './heartbeats/rejected-heartbeat-recorder.js';
import { EventQueries } from './queries/event-queries.js';
import { PurgePlansController } from './removal/purge-plans.controller.js';

/** Dependencies of the controllers: one object for each injection token. */
export interface AppServices {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly authenticator: Authenticator;
  readonly registrationService: RegistrationService;
  readonly receiver: HeartbeatReceiver;
  readonly rejectedHeartbeats: RejectedHeartbeatRecorder;
  readonly rejectedRequestAudit: RejectedRequestAudit;
  readonly removalService: RemovalService;
  readonly planner: PurgePlanner;
  readonly processServerQueries: ProcessServerQueries;
  readonly eventQueries: EventQueries;
  readonly eventExports: EventExports;
  readonly diagnosisService: DiagnosisService;
  readonly fleetSummary: FleetSummaryCache;
  readonly status: InstanceStatus;
  readonly metrics: Metrics;
  readonly keyService: KeyService;
  /** A test of the deadline uses less than five seconds. */
  readonly responseTimeoutMs?: number | undefined;
}

/** Every route of the contract, for the OpenAPI document and for the check that each declares its permission. */
export const API_CONTROLLERS: Type[] = [
  RegistrationController,
  HeartbeatsController,
  RemovalController,
  ProcessServersController,
  PurgePlansController,
  FleetController,
  KeysController,
  HealthController,
];

/** The HTTP application. `server-instance.ts` creates everything behind it. */
@Module({})
export class AppModule {
  static forRoot(appServices: AppServices): DynamicModule {
    const { responseTimeoutMs = RESPONSE_TIMEOUT_MS } = appServices;
    return {
      module: AppModule,
      controllers: API_CONTROLLERS,
      providers: [
        { provide: Clock, useValue: appServices.clock },
        { provide: Randomness, useValue: appServices.randomness },
        { provide: Authenticator, useValue: appServices.authenticator },
        { provide: RegistrationService, useValue: appServices.registrationService },
        { provide: HeartbeatReceiver, useValue: appServices.receiver },
        { provide: RemovalService, useValue: appServices.removalService },
        { provide: PurgePlanner, useValue: appServices.planner },
        { provide: ProcessServerQueries, useValue: appServices.processServerQueries },
        { provide: EventQueries, useValue: appServices.eventQueries },
        { provide: EventExports, useValue: appServices.eventExports },
        { provide: DiagnosisService, useValue: appServices.diagnosisService },
        { provide: FleetSummaryCache, useValue: appServices.fleetSummary },
        { provide: InstanceStatus, useValue: appServices.status },
        { provide: Metrics, useValue: appServices.metrics },
        { provide: KeyService, useValue: appServices.keyService },
        {
          provide: APP_GUARD,
          useFactory: (authenticator: Authenticator) => new AuthGuard(authenticator, responseTimeoutMs),
          inject: [Authenticator],
        },
        { provide: APP_INTERCEPTOR, useClass: DeadlineInterceptor },
        {
          provide: APP_FILTER,
          useFactory: (randomness: Randomness, authenticator: Authenticator) =>
            new ProblemFilter(
              randomness,
              async (request, permission) => authenticateWithin(responseTimeoutMs, authenticator, request, permission),
              appServices.rejectedHeartbeats,
            ),
          inject: [Randomness, Authenticator],
        },
        { provide: APP_PIPE, useFactory: validationPipe },
      ],
    };
  }
}

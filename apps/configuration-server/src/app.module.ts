import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { Clock, Departures, HeartbeatReceiver, KeyKeeper, PurgePlanner, Randomness, Registrar } from '@app/fleet';
import { AccessGuard, recogniseWithin } from './access/access.guard.js';
import { ANSWER_WITHIN_MS } from './access/call-deadline.js';
import { Callers } from './access/callers.js';
import { DeadlineInterceptor } from './access/deadline.interceptor.js';
import type { RefusedRequests } from './access/refused-requests.js';
import { Cursors } from './fleet/cursors.js';
import { FleetController } from './fleet/fleet.controller.js';
import { FleetCounts } from './fleet/fleet-counts.js';
import { HealthController } from './fleet/health.controller.js';
import { Metrics } from './fleet/metrics.js';
import { ReplicaStatus } from './fleet/replica-status.js';
import { KeysController } from './keys/keys.controller.js';
import { ProblemFilter } from './problems/problem.filter.js';
import { validationPipe } from './problems/validation.pipe.js';
import { DeparturesController } from './process-servers/departures.controller.js';
import { Diagnosis } from './process-servers/diagnosis.js';
import { EventExports } from './process-servers/event-exports.js';
import { FleetViews } from './process-servers/fleet-views.js';
import { HeartbeatsController } from './process-servers/heartbeats.controller.js';
import { ProcessServersController } from './process-servers/process-servers.controller.js';
import { RegistrationController } from './process-servers/registration.controller.js';
import { RefusedHeartbeats } from './process-servers/refused-heartbeats.js';
import { Timelines } from './process-servers/timelines.js';
import { PurgesController } from './purges/purges.controller.js';

/** What the controllers call: one object for each token. */
export interface UseCases {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly callers: Callers;
  readonly registrar: Registrar;
  readonly receiver: HeartbeatReceiver;
  readonly refusedHeartbeats: RefusedHeartbeats;
  readonly refusedRequests: RefusedRequests;
  readonly departures: Departures;
  readonly planner: PurgePlanner;
  readonly views: FleetViews;
  readonly timelines: Timelines;
  readonly exports: EventExports;
  readonly diagnosis: Diagnosis;
  readonly counts: FleetCounts;
  readonly status: ReplicaStatus;
  readonly metrics: Metrics;
  readonly keys: KeyKeeper;
  readonly cursors: Cursors;
  /** Less than five seconds in a test that waits for it. */
  readonly answerWithinMs?: number | undefined;
}

/** Every route of the contract: for its document, and for the check that each states its permission. */
export const DESCRIBED_CONTROLLERS: Type[] = [
  RegistrationController,
  HeartbeatsController,
  DeparturesController,
  ProcessServersController,
  PurgesController,
  FleetController,
  KeysController,
  HealthController,
];

/** Heartbeats have a door of their own. */
const SERVED_BY_NEST = DESCRIBED_CONTROLLERS.filter((controller) => controller !== HeartbeatsController);

/** The HTTP door. Everything behind it is made in `replica.ts`. */
@Module({})
export class AppModule {
  static around(useCases: UseCases, controllers: readonly Type[] = SERVED_BY_NEST): DynamicModule {
    const { answerWithinMs = ANSWER_WITHIN_MS } = useCases;
    return {
      module: AppModule,
      controllers: [...controllers],
      providers: [
        { provide: Clock, useValue: useCases.clock },
        { provide: Randomness, useValue: useCases.randomness },
        { provide: Callers, useValue: useCases.callers },
        { provide: Registrar, useValue: useCases.registrar },
        { provide: HeartbeatReceiver, useValue: useCases.receiver },
        { provide: Departures, useValue: useCases.departures },
        { provide: PurgePlanner, useValue: useCases.planner },
        { provide: FleetViews, useValue: useCases.views },
        { provide: Timelines, useValue: useCases.timelines },
        { provide: EventExports, useValue: useCases.exports },
        { provide: Diagnosis, useValue: useCases.diagnosis },
        { provide: FleetCounts, useValue: useCases.counts },
        { provide: ReplicaStatus, useValue: useCases.status },
        { provide: Metrics, useValue: useCases.metrics },
        { provide: KeyKeeper, useValue: useCases.keys },
        { provide: Cursors, useValue: useCases.cursors },
        {
          provide: APP_GUARD,
          useFactory: (callers: Callers) => new AccessGuard(callers, answerWithinMs),
          inject: [Callers],
        },
        { provide: APP_INTERCEPTOR, useClass: DeadlineInterceptor },
        {
          provide: APP_FILTER,
          useFactory: (randomness: Randomness, callers: Callers) =>
            new ProblemFilter(randomness, async (request, permission) =>
              recogniseWithin(answerWithinMs, callers, request, permission),
            ),
          inject: [Randomness, Callers],
        },
        { provide: APP_PIPE, useFactory: validationPipe },
      ],
    };
  }
}

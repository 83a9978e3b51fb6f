import { Module } from '@nestjs/common';
import { Clock, EnrolmentService, Identifiers } from '@app/fleet';
import { EnrolmentStore, ReleaseStore } from '@app/fleet-mysql';
import { EnrolmentTokens } from '@app/platform';
import { EdgeModule } from '../edge/edge.module.js';
import { OWN_VERSION } from '../site/app-options.js';
import { construct } from '../site/provide.js';
import { ConnectionInfo } from './connection-info.js';
import { EnrolmentInfoController } from './enrolment-info.controller.js';
import { EnrolmentsController } from './enrolments.controller.js';
import { InstallationInfo } from './installation-info.js';

/** Enrolments: tokens with which process servers register. */
@Module({
  imports: [EdgeModule],
  controllers: [EnrolmentsController, EnrolmentInfoController],
  providers: [
    construct(EnrolmentService, [EnrolmentStore, EnrolmentTokens, Identifiers, Clock]),
    construct(InstallationInfo, [EnrolmentService, ReleaseStore, ConnectionInfo, OWN_VERSION, Clock]),
    ConnectionInfo,
  ],
})
export class EnrolmentsModule {}

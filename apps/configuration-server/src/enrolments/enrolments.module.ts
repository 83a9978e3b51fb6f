import { Module } from '@nestjs/common';
import { Clock, EnrolmentService, Identifiers } from '@app/fleet';
import { EnrolmentStore } from '@app/fleet-mysql';
import { EnrolmentTokens } from '@app/platform';
import { EdgeModule } from '../edge/edge.module.js';
import { construct } from '../site/provide.js';
import { ConnectionInfo } from './connection-info.js';
import { EnrolmentsController } from './enrolments.controller.js';

/** Enrolments: tokens with which process servers register. */
@Module({
  imports: [EdgeModule],
  controllers: [EnrolmentsController],
  providers: [construct(EnrolmentService, [EnrolmentStore, EnrolmentTokens, Identifiers, Clock]), ConnectionInfo],
})
export class EnrolmentsModule {}

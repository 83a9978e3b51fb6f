import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { EnrolmentInfo, EnrolmentInfoQuery } from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { InstallationInfo } from './installation-info.js';

@ApiTags('enrolment')
@Controller('v1/configuration-server/enrolment')
export class EnrolmentInfoController {
  constructor(private readonly installation: InstallationInfo) {}

  @Get()
  @Endpoint({
    permission: 'operator',
    summary: 'Everything that is needed to add a process server, except a secret',
    responses: { 200: { type: EnrolmentInfo, description: 'Connection, version, package and command' } },
    problems: ['validation_failed'],
  })
  enrolmentInfo(@Query() { osType }: EnrolmentInfoQuery): Promise<EnrolmentInfo> {
    return this.installation.describe(osType);
  }
}

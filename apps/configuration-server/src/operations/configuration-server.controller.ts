import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { ConfigurationServerResponse } from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { InstanceStatus } from './instance-status.js';

@ApiTags('queries')
@Controller('v1')
export class ConfigurationServerController {
  constructor(private readonly status: InstanceStatus) {}

  @Get('configuration-server')
  @Endpoint({
    permission: 'reader',
    summary: 'State of the configuration server',
    responses: {
      200: {
        type: ConfigurationServerResponse,
        description: 'Identity, version, addresses, availability and clean-up',
      },
    },
  })
  configurationServer(): Promise<ConfigurationServerResponse> {
    return this.status.describe();
  }
}

import { Body, Controller, Param, Post, Put, Res } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Registrar } from '@app/fleet';
import { PreflightResponse, RegisterRequest, RegistrationResponse } from '@app/wire';
import { CHANGE_PROBLEMS, Call } from '../access/call.decorator.js';
import { From, type Recognised } from '../access/caller.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { registrationOrder, registrationResponse } from './registration.mapping.js';

@ApiTags('process server')
@ApiParam({ name: 'hostId', description: 'UUID made once by the installer; case does not matter', format: 'uuid' })
@Controller('v1/process-servers/:hostId')
export class RegistrationController {
  constructor(private readonly registrar: Registrar) {}

  @Put()
  @Call({
    permits: 'passphrase',
    summary: 'Registers a process server, or registers it again',
    answers: {
      200: {
        type: RegistrationResponse,
        description: 'Registered again: a new generation, and a pending removal is cancelled',
      },
      201: { type: RegistrationResponse, description: 'Registered' },
    },
    problems: [
      ...CHANGE_PROBLEMS,
      'host_id_conflict',
      'host_id_in_use',
      'registration_rate_exceeded',
      'generations_exhausted',
      'version_newer_than_configuration_server',
      'version_not_exact',
      'invalid_data_port',
      'clock_in_future',
    ],
  })
  async register(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() body: RegisterRequest,
    @From() from: Recognised,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RegistrationResponse> {
    const answer = await this.registrar.register(registrationOrder(hostId, body, from));
    reply.status(answer.isNew ? 201 : 200);
    return registrationResponse(answer);
  }

  @Post('preflight')
  @Call({
    permits: 'passphrase',
    summary: 'Says what would happen if it registered now; writes nothing',
    answers: { 200: { type: PreflightResponse, description: 'What was found' } },
    problems: CHANGE_PROBLEMS,
  })
  async preflight(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() body: RegisterRequest,
    @From() from: Recognised,
  ): Promise<PreflightResponse> {
    const { wouldRegister, findings } = await this.registrar.preflight(registrationOrder(hostId, body, from));
    return { wouldRegister, findings: [...findings] };
  }
}

import { Body, Controller, Param, Post, Put, Req, Res } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { RegistrationService } from '@app/fleet';
import { PreflightResponse, RegisterRequest, RegistrationResponse } from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { EnrolmentAuthenticator } from '../access/enrolment-authenticator.js';
import { CurrentPrincipal, type AuthenticatedCall, type AuthenticatedRequest } from '../access/principal.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { toRegistrationCommand, toRegistrationResponse } from './registration.mapper.js';

const retiresAtOf = ({ principal }: AuthenticatedCall): Date | null =>
  principal.kind === 'passphrase' ? principal.retiresAt : null;

@ApiTags('process server')
@ApiParam({ name: 'hostId', description: 'UUID generated once by the installer; case-insensitive', format: 'uuid' })
@Controller('v1/process-servers/:hostId')
export class RegistrationController {
  constructor(
    private readonly registrationService: RegistrationService,
    private readonly enrolments: EnrolmentAuthenticator,
  ) {}

  @Put()
  @Endpoint({
    permission: 'passphrase',
    summary: 'Registers a process server, for the first time or again',
    responses: {
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
      'enrolment_used_up',
      'version_newer_than_configuration_server',
      'version_not_exact',
      'invalid_data_port',
      'clock_in_future',
    ],
  })
  async register(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() body: RegisterRequest,
    @CurrentPrincipal() call: AuthenticatedCall,
    @Req() request: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RegistrationResponse> {
    const result = await this.registrationService
      .register(toRegistrationCommand(hostId, body, call))
      .catch((error: unknown) => this.enrolments.countRejection(error, request));
    reply.status(result.isNew ? 201 : 200);
    return toRegistrationResponse(result);
  }

  @Post('preflight')
  @Endpoint({
    permission: 'preflight',
    summary: 'Checks a registration without writing anything',
    responses: { 200: { type: PreflightResponse, description: 'The findings' } },
    problems: CHANGE_PROBLEMS,
  })
  async preflight(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() body: RegisterRequest,
    @CurrentPrincipal() call: AuthenticatedCall,
  ): Promise<PreflightResponse> {
    const { wouldRegister, findings } = await this.registrationService.preflight(
      toRegistrationCommand(hostId, body, call),
      call.principal.kind === 'enrolment' ? call.principal : { kind: 'passphrase', retiresAt: retiresAtOf(call) },
    );
    return { wouldRegister, findings: [...findings] };
  }
}

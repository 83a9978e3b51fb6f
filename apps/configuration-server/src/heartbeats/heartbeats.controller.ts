import { Body, Controller, Param, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiParam, ApiTags } from '@nestjs/swagger';
import { Clock, HeartbeatReceiver } from '@app/fleet';
import { HeartbeatRequest, HeartbeatResponse, type Reading } from '@app/api-contract';
import { BODY_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall, type AuthenticatedRequest } from '../access/principal.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { connectionState } from '../edge/connection-state.js';
import { ACCEPTS_ANY_JSON } from '../problems/json-body.js';
import { HeartbeatBodyPipe } from './heartbeat-body.pipe.js';
import { toHeartbeat, toSenderResponse } from './heartbeat.mapper.js';

@ApiTags('process server')
@ApiParam({ name: 'hostId', description: 'UUID generated once by the installer; case-insensitive', format: 'uuid' })
@Controller('v1/process-servers/:hostId/heartbeats')
export class HeartbeatsController {
  constructor(
    private readonly receiver: HeartbeatReceiver,
    private readonly clock: Clock,
  ) {}

  @Post()
  @RouteConfig(ACCEPTS_ANY_JSON)
  @ApiBody({ type: HeartbeatRequest })
  @Endpoint({
    permission: 'process_server',
    summary:
      'Reports that a process server is alive, with its version and load; the response is sent after the durable commit',
    responses: { 200: { type: HeartbeatResponse, description: 'The lease is renewed' } },
    problems: [
      ...BODY_PROBLEMS,
      'credential_revoked',
      'process_server_not_found',
      'host_id_conflict',
      'generation_superseded',
      'generation_unknown',
      'generation_retired',
      'heartbeat_rate_exceeded',
      'heartbeat_queue_full',
      'replica_not_ready',
    ],
  })
  heartbeat(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body(HeartbeatBodyPipe) reading: Reading<HeartbeatRequest>,
    @CurrentPrincipal() call: AuthenticatedCall,
    @Req() request: AuthenticatedRequest,
  ): Promise<HeartbeatResponse> {
    const heartbeat = toHeartbeat(hostId, reading.usable, call, this.clock.now(), reading);
    request.isRejectionRecorded = true;
    const rejection = connectionState(request.raw.socket).earlyRejection(request.id);
    if (rejection) return Promise.reject(rejection.error as Error);
    return new Promise((resolve, reject) =>
      this.receiver.receive(heartbeat, {
        onAccepted: (result) => resolve(toSenderResponse(result, reading)),
        onRejected: reject,
      }),
    );
  }
}

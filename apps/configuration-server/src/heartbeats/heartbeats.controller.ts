import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { Clock, HeartbeatReceiver } from '@app/fleet';
import { HeartbeatRequest, HeartbeatResponse } from '@app/api-contract';
import { BODY_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { toHeartbeat, toSenderResponse, type OmittedMembers } from './heartbeat.mapper.js';

/** Described like every route and served by `heartbeat-route.ts`, outside Nest's pipeline. */
@ApiTags('process server')
@ApiParam({ name: 'hostId', description: 'UUID made once by the installer; case does not matter', format: 'uuid' })
@Controller('v1/process-servers/:hostId/heartbeats')
export class HeartbeatsController {
  constructor(
    private readonly receiver: HeartbeatReceiver,
    private readonly clock: Clock,
  ) {}

  @Post()
  @Endpoint({
    permission: 'process_server',
    summary: 'Says that a process server lives, with its version and load; answered when it is on disk',
    responses: { 200: { type: HeartbeatResponse, description: 'The lease runs on' } },
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
    @Body() body: HeartbeatRequest,
    @CurrentPrincipal() call: AuthenticatedCall,
    omitted: OmittedMembers = null,
  ): Promise<HeartbeatResponse> {
    const heartbeatReport = toHeartbeat(hostId, body, call, this.clock.now(), omitted);
    return new Promise((resolve, reject) =>
      this.receiver.receive(heartbeatReport, {
        onAccepted: (result) => resolve(toSenderResponse(result, omitted)),
        onRejected: reject,
      }),
    );
  }
}

import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { Clock, HeartbeatReceiver } from '@app/fleet';
import { HeartbeatRequest, HeartbeatResponse } from '@app/wire';
import { BODY_PROBLEMS, Call } from '../access/call.decorator.js';
import { From, type Recognised } from '../access/caller.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { heartbeatOf, responseTo, type LeftOut } from './heartbeat.mapping.js';

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
  @Call({
    permits: 'process_server',
    summary: 'Says that a process server lives, with its version and load; answered when it is on disk',
    answers: { 200: { type: HeartbeatResponse, description: 'The lease runs on' } },
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
      'not_listening',
    ],
  })
  heartbeat(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() body: HeartbeatRequest,
    @From() from: Recognised,
    leftOut: LeftOut = null,
  ): Promise<HeartbeatResponse> {
    const beat = heartbeatOf(hostId, body, from, this.clock.now(), leftOut);
    return new Promise((resolve, refuse) =>
      this.receiver.receive(beat, { answer: (answer) => resolve(responseTo(answer, leftOut)), refuse }),
    );
  }
}

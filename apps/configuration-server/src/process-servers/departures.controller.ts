import { Body, Controller, Delete, Param, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { Departures, type DecommissionBy } from '@app/fleet';
import {
  DecommissionQuery,
  DecommissionResponse,
  PurgeRequest,
  PurgeResponse,
  RevokeCredentialRequest,
  RevokeCredentialResponse,
} from '@app/wire';
import { CHANGE_PROBLEMS, Call } from '../access/call.decorator.js';
import { From, type Caller, type Recognised } from '../access/caller.js';
import { hostIdPipe } from '../access/uuid.pipe.js';

const decommissionBy = (caller: Caller): DecommissionBy =>
  caller.kind === 'process_server' ? caller : { kind: 'operator' };

@ApiParam({ name: 'hostId', description: 'UUID made once by the installer; case does not matter', format: 'uuid' })
@Controller('v1/process-servers/:hostId')
export class DeparturesController {
  constructor(private readonly departures: Departures) {}

  @Delete()
  @ApiTags('process server', 'operator')
  @Call({
    permits: 'process_server_or_operator',
    summary: 'Decommissions a process server: it is gone within 15 minutes',
    answers: { 202: { type: DecommissionResponse, description: 'It is leaving; asked again, the same' } },
    problems: [
      ...CHANGE_PROBLEMS,
      'reason_required',
      'credential_revoked',
      'process_server_not_found',
      'generation_superseded',
      'generation_unknown',
      'generation_retired',
      'machines_protected',
      'machines_unknown',
      'process_server_disconnected',
    ],
  })
  async decommission(
    @Param('hostId', hostIdPipe) hostId: string,
    @Query() { force = false, generation, reason }: DecommissionQuery,
    @From() { caller, actor }: Recognised,
  ): Promise<DecommissionResponse> {
    const { removeBy } = await this.departures.decommission(hostId, {
      by: decommissionBy(caller),
      actor,
      generation: generation ?? null,
      force,
      reason: reason ?? null,
    });
    return { state: 'Decommissioned', removeBy: removeBy.toISOString() };
  }

  @Post('purge')
  @ApiTags('operator')
  @Call({
    permits: 'operator',
    summary: 'Removes a silent process server at once; it does not come back by itself',
    answers: { 200: { type: PurgeResponse, description: 'It is gone; asked again, the same' } },
    problems: [
      ...CHANGE_PROBLEMS,
      'process_server_not_found',
      'process_server_connected',
      'generation_superseded',
      'generation_unknown',
      'generation_retired',
      'machines_protected',
      'machines_unknown',
    ],
  })
  async purge(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() { generation, reason, force }: PurgeRequest,
    @From() { actor }: Recognised,
  ): Promise<PurgeResponse> {
    const answer = await this.departures.purge(hostId, {
      generation,
      reason,
      force: force ?? false,
      actor,
      planId: null,
    });
    return { ...answer, purgedAt: answer.purgedAt.toISOString() };
  }

  @Post('revoke-credential')
  @ApiTags('operator')
  @Call({
    permits: 'operator',
    summary: 'Ends the credential of a process server, which is told to register again; its lease runs out by itself',
    answers: { 200: { type: RevokeCredentialResponse, description: 'It counts no more; asked again, the same' } },
    problems: [
      ...CHANGE_PROBLEMS,
      'process_server_not_found',
      'generation_superseded',
      'generation_unknown',
      'generation_retired',
    ],
  })
  async revokeCredential(
    @Param('hostId', hostIdPipe) hostId: string,
    @Body() { generation, reason }: RevokeCredentialRequest,
    @From() { actor }: Recognised,
  ): Promise<RevokeCredentialResponse> {
    await this.departures.revokeCredential(hostId, { generation, reason, actor });
    return { hostId, generation, credentialRevoked: true };
  }
}

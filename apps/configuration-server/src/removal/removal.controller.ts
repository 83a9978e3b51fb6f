import { Body, Controller, Delete, Param, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { RemovalService, type DecommissionActor } from '@app/fleet';
import {
  DecommissionQuery,
  DecommissionResponse,
  PurgeRequest,
  PurgeResponse,
  RevokeCredentialRequest,
  RevokeCredentialResponse,
} from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type Principal, type AuthenticatedCall } from '../access/principal.js';
import { hostIdPipe } from '../access/uuid.pipe.js';

const toDecommissionActor = (principal: Principal): DecommissionActor =>
  principal.kind === 'process_server' ? principal : { kind: 'operator' };

@ApiParam({ name: 'hostId', description: 'UUID generated once by the installer; case-insensitive', format: 'uuid' })
@Controller('v1/process-servers/:hostId')
export class RemovalController {
  constructor(private readonly removalService: RemovalService) {}

  @Delete()
  @ApiTags('process server', 'operator')
  @Endpoint({
    permission: 'process_server_or_operator',
    summary: 'Decommissions a process server: it is removed within 15 minutes',
    responses: {
      202: { type: DecommissionResponse, description: 'It is Decommissioned; a repeated call returns the same' },
    },
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
    @CurrentPrincipal() { principal, actor }: AuthenticatedCall,
  ): Promise<DecommissionResponse> {
    const { removeBy } = await this.removalService.decommission(hostId, {
      by: toDecommissionActor(principal),
      actor,
      generation: generation ?? null,
      force,
      reason: reason ?? null,
    });
    return { state: 'Decommissioned', removeBy: removeBy.toISOString() };
  }

  @Post('purge')
  @ApiTags('operator')
  @Endpoint({
    permission: 'operator',
    summary: 'Removes a Disconnected process server at once; its heartbeats do not bring it back',
    responses: { 200: { type: PurgeResponse, description: 'It is removed; a repeated call returns the same' } },
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
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<PurgeResponse> {
    const result = await this.removalService.purge(hostId, {
      generation,
      reason,
      force: force ?? false,
      actor,
      planId: null,
    });
    return { ...result, purgedAt: result.purgedAt.toISOString() };
  }

  @Post('revoke-credential')
  @ApiTags('operator')
  @Endpoint({
    permission: 'operator',
    summary: 'Revokes the credential of a process server, which is instructed to register again; its lease expires',
    responses: {
      200: {
        type: RevokeCredentialResponse,
        description: 'The credential is revoked; a repeated call returns the same',
      },
    },
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
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<RevokeCredentialResponse> {
    await this.removalService.revokeCredential(hostId, { generation, reason, actor });
    return { hostId, generation, credentialRevoked: true };
  }
}

import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { PurgePlanner, type PlanResult } from '@app/fleet';
import { ApplyPurgeRequest, ApplyPurgeResponse, PurgePlanRequest, PurgePlanResponse } from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { planIdPipe } from '../access/uuid.pipe.js';
import { toFleetFilter } from '../queries/fleet-filter.mapper.js';

const toApplyPurgeResponse = ({ purged, skipped }: PlanResult): ApplyPurgeResponse => ({
  purged: [...purged],
  skipped: [...skipped],
});

@ApiTags('operator')
@Controller('v1/purges')
export class PurgePlansController {
  constructor(private readonly planner: PurgePlanner) {}

  @Post()
  @Endpoint({
    permission: 'operator',
    summary:
      'Plans a purge: the first 1,000 Disconnected matches, and the reason why any of them would be skipped. Changes no entry',
    responses: {
      201: {
        type: PurgePlanResponse,
        description: 'The plan; it expires after 15 minutes, and the latest ten of a caller are stored',
      },
    },
    problems: [...CHANGE_PROBLEMS, 'empty_filter'],
  })
  async plan(
    @Body() filter: PurgePlanRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<PurgePlanResponse> {
    const { plan, remaining } = await this.planner.plan(toFleetFilter(filter), actor.name);
    return {
      planId: plan.planId,
      candidates: [...plan.candidates],
      remaining,
      expiresAt: plan.expiresAt.toISOString(),
    };
  }

  @Post(':planId/apply')
  @ApiParam({ name: 'planId', format: 'uuid' })
  @Endpoint({
    permission: 'operator',
    summary: 'Purges the candidates of a plan and checks each again; a repeated call returns the stored result',
    responses: { 200: { type: ApplyPurgeResponse, description: 'The result of each candidate' } },
    problems: [...CHANGE_PROBLEMS, 'plan_not_found', 'plan_expired', 'plan_count_mismatch', 'share_not_acknowledged'],
  })
  async apply(
    @Param('planId', planIdPipe) planId: string,
    @Body() body: ApplyPurgeRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<ApplyPurgeResponse> {
    const { expectedCount, reason, acknowledgeShare, force } = body;
    return toApplyPurgeResponse(
      await this.planner.apply(planId, {
        expectedCount,
        reason,
        acknowledgeShare: acknowledgeShare ?? false,
        force: force ?? false,
        actor,
      }),
    );
  }
}

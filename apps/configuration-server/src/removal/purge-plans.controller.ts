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
      'Plans a purge: the first 1,000 that are Disconnected and match, and what would keep each from being purged. Changes no entry',
    responses: {
      201: {
        type: PurgePlanResponse,
        description: 'The plan; it lives 15 minutes, and of one caller the latest ten are kept',
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
    summary: 'Purges the candidates of a plan, each judged again at its moment; again: the stored result',
    responses: { 200: { type: ApplyPurgeResponse, description: 'What became of each' } },
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

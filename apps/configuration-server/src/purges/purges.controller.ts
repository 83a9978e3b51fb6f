import { Body, Controller, Param, Post } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { PurgePlanner, type PlanResult } from '@app/fleet';
import { ApplyPurgeRequest, ApplyPurgeResponse, PurgePlanRequest, PurgePlanResponse } from '@app/wire';
import { CHANGE_PROBLEMS, Call } from '../access/call.decorator.js';
import { From, type Recognised } from '../access/caller.js';
import { planIdPipe } from '../access/uuid.pipe.js';
import { fleetFilter } from '../process-servers/fleet-filter.js';

const applied = ({ purged, skipped }: PlanResult): ApplyPurgeResponse => ({
  purged: [...purged],
  skipped: [...skipped],
});

@ApiTags('operator')
@Controller('v1/purges')
export class PurgesController {
  constructor(private readonly planner: PurgePlanner) {}

  @Post()
  @Call({
    permits: 'operator',
    summary:
      'Plans a purge: the first 1,000 that are Disconnected and match, and what would keep each from being purged. Changes no entry',
    answers: {
      201: {
        type: PurgePlanResponse,
        description: 'The plan; it lives 15 minutes, and of one caller the latest ten are kept',
      },
    },
    problems: [...CHANGE_PROBLEMS, 'empty_filter'],
  })
  async plan(@Body() filter: PurgePlanRequest, @From() { actor }: Recognised): Promise<PurgePlanResponse> {
    const { plan, remaining } = await this.planner.plan(fleetFilter(filter), actor.name);
    return {
      planId: plan.planId,
      candidates: [...plan.candidates],
      remaining,
      expiresAt: plan.expiresAt.toISOString(),
    };
  }

  @Post(':planId/apply')
  @ApiParam({ name: 'planId', format: 'uuid' })
  @Call({
    permits: 'operator',
    summary: 'Purges the candidates of a plan, each judged again at its moment; again: the stored result',
    answers: { 200: { type: ApplyPurgeResponse, description: 'What became of each' } },
    problems: [...CHANGE_PROBLEMS, 'plan_not_found', 'plan_expired', 'plan_count_mismatch', 'share_not_acknowledged'],
  })
  async apply(
    @Param('planId', planIdPipe) planId: string,
    @Body() body: ApplyPurgeRequest,
    @From() { actor }: Recognised,
  ): Promise<ApplyPurgeResponse> {
    const { expectedCount, reason, acknowledgeShare, force } = body;
    return applied(
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

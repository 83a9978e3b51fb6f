import { Controller, Get, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  CapacityQueryParameters,
  CapacityResponse,
  EventList,
  ExportEventsQuery,
  FleetResponse,
  ListEventsQuery,
  UpgradeReadinessParameters,
  UpgradeReadinessResponse,
} from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { CapacityQueries } from './capacity-queries.js';
import { EventExports } from './event-exports.js';
import { EventQueries } from './event-queries.js';
import { FleetSummaryCache } from './fleet-summary-cache.js';
import { UpgradeReadinessQueries } from './upgrade-readiness-queries.js';

@ApiTags('queries')
@Controller('v1')
export class FleetController {
  constructor(
    private readonly fleetSummary: FleetSummaryCache,
    private readonly capacityQueries: CapacityQueries,
    private readonly upgradeReadinessQueries: UpgradeReadinessQueries,
    private readonly eventQueries: EventQueries,
    private readonly eventExports: EventExports,
  ) {}

  @Get('fleet')
  @Endpoint({
    permission: 'reader',
    summary: 'Counts of the fleet, at most five seconds old: `asOf` is the time of the count',
    responses: { 200: { type: FleetResponse, description: 'Counts that agree with the lists' } },
  })
  fleet(): Promise<FleetResponse> {
    return this.fleetSummary.current();
  }

  @Get('fleet/capacity')
  @Endpoint({
    permission: 'reader',
    summary: 'The room left on each process server and in the site, and the best place for the next machine',
    responses: { 200: { type: CapacityResponse, description: 'One page of process servers, and the whole site' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  capacity(@Query() query: CapacityQueryParameters): Promise<CapacityResponse> {
    return this.capacityQueries.read(query);
  }

  @Get('fleet/upgrade-readiness')
  @Endpoint({
    permission: 'reader',
    summary: 'Which process servers can be upgraded to a version, over which releases, and which leave their support',
    responses: {
      200: { type: UpgradeReadinessResponse, description: 'One page of process servers, and the counts of all' },
    },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  upgradeReadiness(@Query() query: UpgradeReadinessParameters): Promise<UpgradeReadinessResponse> {
    return this.upgradeReadinessQueries.read(query);
  }

  @Get('events')
  @Endpoint({
    permission: 'reader',
    summary: 'The audit log',
    responses: { 200: { type: EventList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  audit(@Query() query: ListEventsQuery): Promise<EventList> {
    return this.eventQueries.listEvents(query);
  }

  @Get('events/export')
  @Endpoint({
    permission: 'reader',
    summary:
      'The audit log as JSON lines, oldest first, up to ten seconds ago. Two concurrent exports for each API key, four in total; an export that is not read for 20 s is ended',
    responses: {
      200: {
        type: null,
        description: 'One event on each line, as in `GET /v1/events`. A response without its last chunk is incomplete',
        mediaType: 'application/x-ndjson',
        headers: {
          'X-Exported-Until': {
            description: 'The export has all events before this time: `from` of the next export',
            schema: { type: 'string' },
          },
        },
      },
    },
    problems: ['validation_failed'],
  })
  async exportEvents(
    @Query() query: ExportEventsQuery,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const { until, lines } = await this.eventExports.export(query, actor.name);
    reply.type('application/x-ndjson; charset=utf-8').header('x-exported-until', until.toISOString());
    return new StreamableFile(lines); // for a plain stream, Nest would not notice an error before the first read
  }
}

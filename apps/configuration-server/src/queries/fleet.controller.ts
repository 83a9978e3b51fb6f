import { Controller, Get, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  ConfigurationServerResponse,
  EventList,
  ExportEventsQuery,
  FleetResponse,
  ListEventsQuery,
} from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { EventExports } from './event-exports.js';
import { EventQueries } from './event-queries.js';
import { FleetSummaryCache } from './fleet-summary-cache.js';
import { InstanceStatus } from '../operations/instance-status.js';

@ApiTags('queries')
@Controller('v1')
export class FleetController {
  constructor(
    private readonly fleetSummary: FleetSummaryCache,
    private readonly eventQueries: EventQueries,
    private readonly eventExports: EventExports,
    private readonly status: InstanceStatus,
  ) {}

  @Get('fleet')
  @Endpoint({
    permission: 'reader',
    summary: 'The fleet in numbers, counted within the last five seconds: `asOf` says when',
    responses: { 200: { type: FleetResponse, description: 'Counts that agree with the lists' } },
  })
  fleet(): Promise<FleetResponse> {
    return this.fleetSummary.current();
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
      'The audit log as JSON lines, oldest first, up to ten seconds ago. Two at once for each API key, four in all; one that is not read for 20 s is ended',
    responses: {
      200: {
        type: null,
        description:
          'One event a line, as `GET /v1/events` shows them. An answer that ends before its last chunk is not whole',
        mediaType: 'application/x-ndjson',
        headers: {
          'X-Exported-Until': {
            description: 'All before this instant are in it: `from` of the next export',
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
    return new StreamableFile(lines); // of a stream as it is, Nest would not see that it failed before it is read on
  }

  @Get('configuration-server')
  @Endpoint({
    permission: 'reader',
    summary: 'The configuration server about itself',
    responses: {
      200: { type: ConfigurationServerResponse, description: 'Identity, version, addresses, listening and clean-up' },
    },
  })
  configurationServer(): Promise<ConfigurationServerResponse> {
    return this.status.describe();
  }
}

import { Controller, Get, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ConfigurationServerResponse, EventList, ExportEventsQuery, FleetResponse, ListEventsQuery } from '@app/wire';
import { Call } from '../access/call.decorator.js';
import { From, type Recognised } from '../access/caller.js';
import { EventExports } from '../process-servers/event-exports.js';
import { Timelines } from '../process-servers/timelines.js';
import { FleetCounts } from './fleet-counts.js';
import { ReplicaStatus } from './replica-status.js';

@ApiTags('queries')
@Controller('v1')
export class FleetController {
  constructor(
    private readonly counts: FleetCounts,
    private readonly timelines: Timelines,
    private readonly exports: EventExports,
    private readonly status: ReplicaStatus,
  ) {}

  @Get('fleet')
  @Call({
    permits: 'reader',
    summary: 'The fleet in numbers, counted within the last five seconds: `asOf` says when',
    answers: { 200: { type: FleetResponse, description: 'Counts that agree with the lists' } },
  })
  fleet(): Promise<FleetResponse> {
    return this.counts.current();
  }

  @Get('events')
  @Call({
    permits: 'reader',
    beginsEarly: true,
    summary: 'The audit log',
    answers: { 200: { type: EventList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  audit(@Query() query: ListEventsQuery): Promise<EventList> {
    return this.timelines.audit(query);
  }

  @Get('events/export')
  @Call({
    permits: 'reader',
    summary:
      'The audit log as JSON lines, oldest first, up to ten seconds ago. Two at once for each API key, four in all; one that is not read for 20 s is ended',
    answers: {
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
    @From() { actor }: Recognised,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile> {
    const { until, lines } = await this.exports.export(query, actor.name);
    reply.type('application/x-ndjson; charset=utf-8').header('x-exported-until', until.toISOString());
    return new StreamableFile(lines); // of a stream as it is, Nest would not see that it failed before it is read on
  }

  @Get('configuration-server')
  @Call({
    permits: 'reader',
    summary: 'The configuration server about itself',
    answers: {
      200: { type: ConfigurationServerResponse, description: 'Identity, version, addresses, listening and clean-up' },
    },
  })
  configurationServer(): Promise<ConfigurationServerResponse> {
    return this.status.describe();
  }
}

import { Controller, Get, Headers, Param, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import {
  DiagnosisResponse,
  EventList,
  ListProcessServersQuery,
  ListTimelineQuery,
  ProcessServerDetail,
  ProcessServerList,
} from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { matchesEtag } from '../edge/entity-tag.js';
import { DiagnosisService } from './diagnosis.js';
import { ProcessServerQueries } from './process-server-queries.js';
import { EventQueries } from './event-queries.js';

const hostIdParam = ApiParam({
  name: 'hostId',
  description: 'UUID of the process server; case-insensitive',
  format: 'uuid',
});

const ETAG = {
  ETag: {
    description: 'Weak entity tag of the representation without the ages of its reports',
    schema: { type: 'string' },
  },
} as const;

@ApiTags('queries')
@Controller('v1/process-servers')
export class ProcessServersController {
  constructor(
    private readonly processServerQueries: ProcessServerQueries,
    private readonly eventQueries: EventQueries,
    private readonly diagnosisService: DiagnosisService,
  ) {}

  @Get()
  @Endpoint({
    permission: 'reader',
    summary: 'Lists Registered and Decommissioned process servers',
    responses: { 200: { type: ProcessServerList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  list(@Query() query: ListProcessServersQuery): Promise<ProcessServerList> {
    return this.processServerQueries.list(query);
  }

  @Get(':hostId')
  @hostIdParam
  @ApiHeader({ name: 'if-none-match', required: false, description: 'ETag of an earlier response' })
  @Endpoint({
    permission: 'reader',
    summary: 'Returns all known facts of one process server',
    responses: {
      200: {
        type: ProcessServerDetail,
        description: 'With a weak ETag of the representation as computed now',
        headers: ETAG,
      },
      304: { type: null, description: 'Nothing has changed', headers: ETAG },
    },
    problems: ['validation_failed', 'process_server_not_found'],
  })
  async detail(
    @Param('hostId', hostIdPipe) hostId: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ProcessServerDetail | undefined> {
    const { body, etag } = await this.processServerQueries.getDetail(hostId);
    const unchanged = matchesEtag(etag, ifNoneMatch);
    reply.header('etag', etag).status(unchanged ? 304 : 200);
    return unchanged ? undefined : body;
  }

  @Get(':hostId/events')
  @hostIdParam
  @Endpoint({
    permission: 'reader',
    summary: 'Lists the events of one process server; an ongoing silence is the newest item',
    responses: { 200: { type: EventList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor', 'process_server_not_found'],
  })
  events(@Param('hostId', hostIdPipe) hostId: string, @Query() query: ListTimelineQuery): Promise<EventList> {
    return this.eventQueries.listHostEvents(hostId, query);
  }

  @Get(':hostId/diagnosis')
  @hostIdParam
  @Endpoint({
    permission: 'reader',
    summary: 'Explains the state of a process server and recommends actions',
    responses: {
      200: { type: DiagnosisResponse, description: 'The facts, their explanation and recommended actions' },
    },
    problems: ['validation_failed', 'process_server_not_found'],
  })
  diagnosis(@Param('hostId', hostIdPipe) hostId: string): Promise<DiagnosisResponse> {
    return this.diagnosisService.diagnose(hostId);
  }
}

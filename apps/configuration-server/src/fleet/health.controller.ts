import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { LiveResponse, ReadyResponse } from '@app/wire';
import { Call } from '../access/call.decorator.js';
import { Metrics } from './metrics.js';
import { ReplicaStatus } from './replica-status.js';

@ApiTags('operation')
@Controller()
export class HealthController {
  constructor(
    private readonly status: ReplicaStatus,
    private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  @Call({
    permits: 'anyone',
    summary: 'The process runs',
    answers: { 200: { type: LiveResponse, description: 'It does' } },
  })
  live(): LiveResponse {
    return { status: 'live' };
  }

  @Get('health/ready')
  @Call({
    permits: 'anyone',
    summary: 'This replica can commit heartbeats',
    answers: { 200: { type: ReadyResponse, description: 'It can; the body says what is amiss besides' } },
    problems: ['database_unavailable', 'not_listening'],
  })
  ready(): Promise<ReadyResponse> {
    return this.status.ready();
  }

  @Get('metrics')
  @Call({
    permits: 'metrics',
    summary: 'Metrics of this replica, in the Prometheus text format',
    answers: {
      200: { type: null, description: 'For anyone, or for readers where so configured', mediaType: 'text/plain' },
    },
  })
  async scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    reply.type(this.metrics.contentType);
    return this.metrics.text();
  }
}

import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { LiveResponse, ReadyResponse } from '@app/api-contract';
import { Endpoint } from '../access/endpoint.decorator.js';
import { Metrics } from './metrics.js';
import { InstanceStatus } from './instance-status.js';

@ApiTags('operation')
@Controller()
export class HealthController {
  constructor(
    private readonly status: InstanceStatus,
    private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  @Endpoint({
    permission: 'anyone',
    summary: 'Whether the process is running',
    responses: { 200: { type: LiveResponse, description: 'The process is running' } },
  })
  live(): LiveResponse {
    return { status: 'live' };
  }

  @Get('health/ready')
  @Endpoint({
    permission: 'anyone',
    summary: 'Whether this replica can commit heartbeats',
    responses: { 200: { type: ReadyResponse, description: 'It can; the body lists other problems' } },
    problems: ['database_unavailable', 'replica_not_ready'],
  })
  ready(): Promise<ReadyResponse> {
    return this.status.ready();
  }

  @Get('metrics')
  @Endpoint({
    permission: 'metrics',
    summary: 'Metrics of this replica, in the Prometheus text format',
    responses: {
      200: { type: null, description: 'Public, or for readers if so configured', mediaType: 'text/plain' },
    },
  })
  async scrape(@Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    reply.type(this.metrics.contentType);
    return this.metrics.text();
  }
}

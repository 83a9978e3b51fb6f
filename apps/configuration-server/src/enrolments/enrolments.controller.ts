import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { Clock, EnrolmentService, normalizedName } from '@app/fleet';
import { CreatedEnrolment, EnrolmentDto, EnrolmentList, EnrolmentRequest, PageQuery } from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { enrolmentIdPipe } from '../access/uuid.pipe.js';
import { decodeCursor, encodeCursor, isUuid } from '../queries/cursor-codec.js';
import { toEnrolmentDto } from './enrolment.mapper.js';
import { InstallationInfo } from './installation-info.js';

const DEFAULT_LIMIT = 100;
const CURSOR_QUERY = { list: 'enrolments' };

@ApiTags('enrolment')
@Controller('v1/enrolments')
export class EnrolmentsController {
  constructor(
    private readonly enrolments: EnrolmentService,
    private readonly installation: InstallationInfo,
    private readonly clock: Clock,
  ) {}

  @Post()
  @Endpoint({
    permission: 'operator',
    summary: 'Creates an enrolment: an expiring token with which a limited number of process servers can register',
    responses: { 201: { type: CreatedEnrolment, description: 'The enrolment with its file, returned only once' } },
    problems: [...CHANGE_PROBLEMS, 'expiry_not_in_future', 'expiry_too_far'],
  })
  async createEnrolment(
    @Body() { expiresAt, maxRegistrations, note }: EnrolmentRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<CreatedEnrolment> {
    const command = {
      expiresAt: expiresAt ? new Date(expiresAt) : null,
      maxRegistrations: maxRegistrations ?? null,
      note: normalizedName(note),
      actor,
    };
    const { enrolment, file } = await this.installation.withFile(() => this.enrolments.create(command));
    return { ...toEnrolmentDto(enrolment, this.clock.now()), file };
  }

  @Get()
  @Endpoint({
    permission: 'operator',
    summary: 'Lists all enrolments, also ended ones, without their tokens',
    responses: { 200: { type: EnrolmentList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  async listEnrolments(@Query() { limit = DEFAULT_LIMIT, cursor }: PageQuery): Promise<EnrolmentList> {
    const position = decodeCursor<{ readonly after: string }>(CURSOR_QUERY, cursor, ({ after }) => isUuid(after));
    const { items, next, asOf } = await this.enrolments.list(limit, position?.after ?? null);
    return {
      items: items.map((enrolment) => toEnrolmentDto(enrolment, asOf)),
      nextCursor: next && encodeCursor(CURSOR_QUERY, { after: next }),
      asOf: asOf.toISOString(),
    };
  }

  @Get(':enrolmentId')
  @ApiParam({ name: 'enrolmentId', format: 'uuid' })
  @Endpoint({
    permission: 'operator',
    summary: 'Returns an enrolment, without its token',
    responses: { 200: { type: EnrolmentDto, description: 'The enrolment' } },
    problems: ['enrolment_not_found'],
  })
  async enrolment(@Param('enrolmentId', enrolmentIdPipe) enrolmentId: string): Promise<EnrolmentDto> {
    return toEnrolmentDto(await this.enrolments.find(enrolmentId), this.clock.now());
  }

  @Delete(':enrolmentId')
  @ApiParam({ name: 'enrolmentId', format: 'uuid' })
  @Endpoint({
    permission: 'operator',
    summary: 'Revokes an enrolment; the process servers that registered with it stay registered',
    responses: {
      200: { type: EnrolmentDto, description: 'The enrolment is revoked; a repeated call returns the same' },
    },
    problems: ['enrolment_not_found', 'if_match_not_supported'],
  })
  async revokeEnrolment(
    @Param('enrolmentId', enrolmentIdPipe) enrolmentId: string,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<EnrolmentDto> {
    return toEnrolmentDto(await this.enrolments.revoke(enrolmentId, actor), this.clock.now());
  }
}

import { Body, Controller, Delete, Get, Param, Put, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { ReleaseComponent, ReleaseOsType, Version } from '@app/fleet';
import { ListReleasesQuery, ReleaseDto, ReleaseList, ReleaseRequest } from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import {
  componentParam,
  componentPipe,
  osTypeParam,
  osTypePipe,
  versionParam,
  versionPipe,
} from './release-key.pipe.js';
import { toRelease, toReleaseDto } from './release.mapper.js';
import { ReleaseCatalogueService } from './release-catalogue.service.js';

@ApiTags('releases')
@Controller('v1/releases')
export class ReleasesController {
  constructor(private readonly catalogue: ReleaseCatalogueService) {}

  @Get()
  @Endpoint({
    permission: 'reader',
    summary: 'Lists the release catalogue, at most 1,000 releases',
    responses: { 200: { type: ReleaseList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  releases(@Query() query: ListReleasesQuery): Promise<ReleaseList> {
    return this.catalogue.list(query);
  }

  @Put(':component/:osType/:version')
  @componentParam
  @osTypeParam
  @versionParam
  @Endpoint({
    permission: 'admin',
    summary: 'Adds a release to the catalogue or replaces its facts; the same facts again change nothing',
    responses: {
      200: { type: ReleaseDto, description: 'The catalogue had the release before' },
      201: { type: ReleaseDto, description: 'Added' },
    },
    problems: [
      ...CHANGE_PROBLEMS,
      'support_end_not_after_release',
      'release_catalogue_full',
      'package_file_not_usable',
      'package_file_mismatch',
      'package_verification_pending',
    ],
  })
  async putRelease(
    @Param('component', componentPipe) component: ReleaseComponent,
    @Param('osType', osTypePipe) osType: ReleaseOsType,
    @Param('version', versionPipe) version: Version,
    @Body() body: ReleaseRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReleaseDto> {
    const release = toRelease({ component, osType, version }, body);
    const { isNew } = await this.catalogue.put(release, actor);
    reply.status(isNew ? 201 : 200);
    return toReleaseDto(release);
  }

  @Delete(':component/:osType/:version')
  @componentParam
  @osTypeParam
  @versionParam
  @Endpoint({
    permission: 'admin',
    summary: 'Removes a release from the catalogue; its package file stays',
    responses: { 200: { type: ReleaseDto, description: 'The removed release' } },
    problems: [...CHANGE_PROBLEMS, 'release_not_found'],
  })
  async removeRelease(
    @Param('component', componentPipe) component: ReleaseComponent,
    @Param('osType', osTypePipe) osType: ReleaseOsType,
    @Param('version', versionPipe) version: Version,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<ReleaseDto> {
    return toReleaseDto(await this.catalogue.remove({ component, osType, version }, actor));
  }
}

import { Controller, Get, Headers, Param, Req, Res, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { ReleaseComponent, ReleaseOsType, Version } from '@app/fleet';
import { Endpoint } from '../access/endpoint.decorator.js';
import type { AuthenticatedRequest } from '../access/principal.js';
import { requestedRange } from '../edge/byte-range.js';
import { matchesEtag } from '../edge/entity-tag.js';
import { RequestProblem } from '../problems/request-problem.js';
import { Packages } from './packages.service.js';
import {
  componentParam,
  componentPipe,
  osTypeParam,
  osTypePipe,
  versionParam,
  versionPipe,
} from './release-key.pipe.js';

const text = (description: string): { description: string; schema: { type: 'string' } } => ({
  description,
  schema: { type: 'string' },
});
const HEADERS = {
  ETag: text('A strong entity tag: the SHA-256 of the whole package, in hexadecimal digits'),
  'Accept-Ranges': text('`bytes`'),
};
const BODY_HEADERS = {
  ...HEADERS,
  'Repr-Digest': text('The SHA-256 of the whole package (RFC 9530): `sha-256=:<base64>:`'),
  'Content-Disposition': text('The file name'),
};
const MEDIA_TYPE = 'application/octet-stream';

/** The packages that this server sends itself. */
@ApiTags('releases')
@Controller('v1/releases')
export class PackagesController {
  constructor(private readonly packages: Packages) {}

  @Get(':component/:osType/:version/package')
  @componentParam
  @osTypeParam
  @versionParam
  @ApiHeader({ name: 'Range', required: false, description: 'One range of bytes, to continue a download' })
  @ApiHeader({ name: 'If-Range', required: false, description: 'Otherwise than with this entity tag, send all of it' })
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'Entity tags of packages that the caller has' })
  @Endpoint({
    permission: 'passphrase_or_reader',
    summary: 'The package of a release with `packageFile`; 64 concurrent downloads, of them 16 for each address',
    responses: {
      200: { type: null, description: 'The whole package', mediaType: MEDIA_TYPE, headers: BODY_HEADERS },
      206: {
        type: null,
        description: 'The requested range',
        mediaType: MEDIA_TYPE,
        headers: { ...BODY_HEADERS, 'Content-Range': text('`bytes <first>-<last>/<size>`') },
      },
      304: { type: null, description: 'The caller has the package', headers: HEADERS },
    },
    problems: [
      'release_not_found',
      'package_not_found',
      'package_changed',
      'range_not_satisfiable',
      'package_verification_pending',
      'download_limit_reached',
    ],
  })
  async package(
    @Param('component', componentPipe) component: ReleaseComponent,
    @Param('osType', osTypePipe) osType: ReleaseOsType,
    @Param('version', versionPipe) version: Version,
    @Headers() headers: Readonly<Record<string, string | undefined>>,
    @Req() { method, clientAddress }: AuthenticatedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StreamableFile | undefined> {
    const release = await this.packages.find({ component, osType, version });
    const { sizeBytes, sha256, packageFile } = release;
    const etag = `"${sha256}"`;
    if (matchesEtag(etag, headers['if-none-match'])) {
      reply.headers({ etag, 'accept-ranges': 'bytes' }).status(304);
      return undefined;
    }
    const { range: given, 'if-range': ifRange = etag } = headers;
    const isRangeUsed = method === 'GET' && ifRange.trim() === etag;
    const range = isRangeUsed ? requestedRange(given, sizeBytes) : null;
    if (range === 'unsatisfiable') {
      reply.headers({ 'content-range': `bytes */${sizeBytes}`, 'accept-ranges': 'bytes' });
      throw new RequestProblem('range_not_satisfiable', RANGE_NOT_SATISFIABLE, [
        { field: 'Range', message: RANGE_NOT_SATISFIABLE },
      ]);
    }
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 };
    const stream = await this.packages.download(release, { first, last }, clientAddress);
    reply.headers({
      etag,
      'accept-ranges': 'bytes',
      'repr-digest': `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`,
      ...(range && { 'content-range': `bytes ${first}-${last}/${sizeBytes}` }),
    });
    reply.status(range ? 206 : 200);
    return new StreamableFile(stream, {
      type: MEDIA_TYPE,
      disposition: `attachment; filename="${packageFile}"`,
      length: last + 1 - first,
    });
  }
}
const RANGE_NOT_SATISFIABLE = 'Range must be one range of bytes within the package, e.g. bytes=1000-.';

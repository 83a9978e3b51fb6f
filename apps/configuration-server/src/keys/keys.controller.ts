import { Body, Controller, Delete, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { KeyService, normalizedName, type ApiKey, type KeyPage, type Passphrase } from '@app/fleet';
import {
  ApiKeyDto,
  ApiKeyList,
  ApiKeyRequest,
  CreatedApiKey,
  PageQuery,
  PassphraseDto,
  PassphraseList,
  PassphraseRotation,
  RotatePassphraseRequest,
} from '@app/api-contract';
import { CHANGE_PROBLEMS, Endpoint } from '../access/endpoint.decorator.js';
import { CurrentPrincipal, type AuthenticatedCall } from '../access/principal.js';
import { keyIdPipe } from '../access/uuid.pipe.js';
import { decodeCursor, encodeCursor, isUuid } from '../queries/cursor-codec.js';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';

const DEFAULT_LIMIT = 100;

const toIsoOrNull = (at: Date | null): string | null => at && at.toISOString();

const toApiKeyDto = ({
  keyId,
  name,
  role,
  prefix,
  createdAt,
  createdBy,
  expiresAt,
  revokedAt,
  lastUsedAt,
}: ApiKey): ApiKeyDto => ({
  keyId,
  name,
  role,
  prefix,
  createdAt: createdAt.toISOString(),
  createdBy,
  expiresAt: toIsoOrNull(expiresAt),
  revokedAt: toIsoOrNull(revokedAt),
  lastUsedAt: toIsoOrNull(lastUsedAt),
});

const toPassphraseDto = ({ passphraseId, createdAt, retiresAt }: Passphrase): PassphraseDto => ({
  passphraseId,
  createdAt: createdAt.toISOString(),
  retiresAt: toIsoOrNull(retiresAt),
});

@ApiTags('administration')
@Controller('v1')
export class KeysController {
  constructor(
    private readonly keyService: KeyService,
    @Inject(APP_OPTIONS) private readonly options: Pick<AppOptions, 'name'>,
  ) {}

  @Post('api-keys')
  @Endpoint({
    permission: 'admin',
    summary: 'Creates an API key',
    responses: { 201: { type: CreatedApiKey, description: 'The key, returned only once' } },
    problems: [...CHANGE_PROBLEMS, 'api_key_name_taken', 'expiry_not_in_future'],
  })
  async createApiKey(
    @Body() { name, role, expiresAt }: ApiKeyRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<CreatedApiKey> {
    const { apiKey, key } = await this.keyService.createApiKey({
      name: normalizedName(name),
      role,
      expiresAt: expiresAt ? new Date(expiresAt) : null,
      actor,
    });
    return { ...toApiKeyDto(apiKey), key };
  }

  @Get('api-keys')
  @Endpoint({
    permission: 'admin',
    summary:
      'Lists all API keys, also expired and revoked ones, without their secrets; the call is recorded in the audit log',
    responses: { 200: { type: ApiKeyList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  apiKeys(@Query() query: PageQuery, @CurrentPrincipal() { actor }: AuthenticatedCall): Promise<ApiKeyList> {
    return this.fetchPage(
      'api-keys',
      query,
      (limit, after) => this.keyService.apiKeys(actor, limit, after),
      toApiKeyDto,
    );
  }

  @Delete('api-keys/:keyId')
  @ApiParam({ name: 'keyId', format: 'uuid' })
  @Endpoint({
    permission: 'admin',
    summary: 'Revokes an API key',
    responses: { 200: { type: ApiKeyDto, description: 'The key is revoked; a repeated call returns the same' } },
    problems: [...CHANGE_PROBLEMS, 'api_key_not_found', 'last_admin_key'],
  })
  async revokeApiKey(
    @Param('keyId', keyIdPipe) keyId: string,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<ApiKeyDto> {
    return toApiKeyDto(await this.keyService.revokeApiKey(keyId, actor));
  }

  @Post('passphrases')
  @Endpoint({
    permission: 'admin',
    summary: 'Rotates the passphrase; the earlier ones stay valid for a limited time',
    responses: {
      201: { type: PassphraseRotation, description: 'The location of the new passphrase; no response contains it' },
    },
    problems: CHANGE_PROBLEMS,
  })
  async rotatePassphrase(
    @Body() { overlapSeconds }: RotatePassphraseRequest,
    @CurrentPrincipal() { actor }: AuthenticatedCall,
  ): Promise<PassphraseRotation> {
    const { passphraseId, createdAt, earlierRetireAt, file } = await this.keyService.rotatePassphrase(
      actor,
      overlapSeconds ?? null,
    );
    return {
      passphraseId,
      createdAt: createdAt.toISOString(),
      earlierRetireAt: earlierRetireAt.toISOString(),
      replica: this.options.name,
      file,
    };
  }

  @Get('passphrases')
  @Endpoint({
    permission: 'admin',
    summary: 'Lists all passphrases, also expired ones, without their secrets; the call is recorded in the audit log',
    responses: { 200: { type: PassphraseList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  passphrases(@Query() query: PageQuery, @CurrentPrincipal() { actor }: AuthenticatedCall): Promise<PassphraseList> {
    return this.fetchPage(
      'passphrases',
      query,
      (limit, after) => this.keyService.passphrases(actor, limit, after),
      toPassphraseDto,
    );
  }

  private async fetchPage<Item, ItemDto>(
    list: string,
    { limit = DEFAULT_LIMIT, cursor }: PageQuery,
    read: (limit: number, after: string | null) => Promise<KeyPage<Item>>,
    toDto: (item: Item) => ItemDto,
  ): Promise<{ items: ItemDto[]; nextCursor: string | null; asOf: string }> {
    const position = decodeCursor<{ readonly after: string }>({ list }, cursor, ({ after }) => isUuid(after));
    const { items, next, asOf } = await read(limit, position?.after ?? null);
    return {
      items: items.map(toDto),
      nextCursor: next && encodeCursor({ list }, { after: next }),
      asOf: asOf.toISOString(),
    };
  }
}

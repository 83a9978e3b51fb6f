import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiParam, ApiTags } from '@nestjs/swagger';
import { KeyKeeper, normalizedName, type ApiKey, type KeyPage, type Passphrase } from '@app/fleet';
import {
  ApiKeyBody,
  ApiKeyList,
  ApiKeyRequest,
  CreatedApiKey,
  PageQuery,
  PassphraseBody,
  PassphraseList,
  PassphraseRotation,
  RotatePassphraseRequest,
} from '@app/wire';
import { CHANGE_PROBLEMS, Call } from '../access/call.decorator.js';
import { From, type Recognised } from '../access/caller.js';
import { keyIdPipe } from '../access/uuid.pipe.js';
import { Cursors } from '../fleet/cursors.js';
import { ReplicaStatus } from '../fleet/replica-status.js';

const DEFAULT_LIMIT = 100;

const instant = (at: Date | null): string | null => at && at.toISOString();

const apiKeyBody = ({
  keyId,
  name,
  role,
  prefix,
  createdAt,
  createdBy,
  expiresAt,
  revokedAt,
  lastUsedAt,
}: ApiKey): ApiKeyBody => ({
  keyId,
  name,
  role,
  prefix,
  createdAt: createdAt.toISOString(),
  createdBy,
  expiresAt: instant(expiresAt),
  revokedAt: instant(revokedAt),
  lastUsedAt: instant(lastUsedAt),
});

const passphraseBody = ({ passphraseId, createdAt, retiresAt }: Passphrase): PassphraseBody => ({
  passphraseId,
  createdAt: createdAt.toISOString(),
  retiresAt: instant(retiresAt),
});

@ApiTags('administration')
@Controller('v1')
export class KeysController {
  constructor(
    private readonly keys: KeyKeeper,
    private readonly cursors: Cursors,
    private readonly status: ReplicaStatus,
  ) {}

  @Post('api-keys')
  @Call({
    permits: 'admin',
    summary: 'Makes an API key',
    answers: { 201: { type: CreatedApiKey, description: 'The key, shown this once' } },
    problems: [...CHANGE_PROBLEMS, 'api_key_name_taken', 'expiry_not_in_future'],
  })
  async createApiKey(
    @Body() { name, role, expiresAt }: ApiKeyRequest,
    @From() { actor }: Recognised,
  ): Promise<CreatedApiKey> {
    const { apiKey, key } = await this.keys.createApiKey({
      name: normalizedName(name),
      role,
      expiresAt: expiresAt ? new Date(expiresAt) : null,
      actor,
    });
    return { ...apiKeyBody(apiKey), key };
  }

  @Get('api-keys')
  @Call({
    permits: 'admin',
    summary: 'Lists the API keys that there are and were, without their secrets; the look is in the audit log',
    answers: { 200: { type: ApiKeyList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  apiKeys(@Query() query: PageQuery, @From() { actor }: Recognised): Promise<ApiKeyList> {
    return this.page('api-keys', query, (limit, after) => this.keys.apiKeys(actor, limit, after), apiKeyBody);
  }

  @Delete('api-keys/:keyId')
  @ApiParam({ name: 'keyId', format: 'uuid' })
  @Call({
    permits: 'admin',
    summary: 'Revokes an API key: it lets nobody in from now on',
    answers: { 200: { type: ApiKeyBody, description: 'It is revoked; asked again, the same' } },
    problems: [...CHANGE_PROBLEMS, 'api_key_not_found', 'last_admin_key'],
  })
  async revokeApiKey(@Param('keyId', keyIdPipe) keyId: string, @From() { actor }: Recognised): Promise<ApiKeyBody> {
    return apiKeyBody(await this.keys.revokeApiKey(keyId, actor));
  }

  @Post('passphrases')
  @Call({
    permits: 'admin',
    summary: 'Rotates the passphrase: a new one, beside which the earlier ones stay valid for a while',
    answers: { 201: { type: PassphraseRotation, description: 'Where the new one is; no answer shows it' } },
    problems: CHANGE_PROBLEMS,
  })
  async rotatePassphrase(
    @Body() { overlapSeconds }: RotatePassphraseRequest,
    @From() { actor }: Recognised,
  ): Promise<PassphraseRotation> {
    const { passphraseId, createdAt, earlierRetireAt, file } = await this.keys.rotatePassphrase(
      actor,
      overlapSeconds ?? null,
    );
    return {
      passphraseId,
      createdAt: createdAt.toISOString(),
      earlierRetireAt: earlierRetireAt.toISOString(),
      replica: this.status.replica,
      file,
    };
  }

  @Get('passphrases')
  @Call({
    permits: 'admin',
    summary: 'Lists the passphrases that there are and were, by identity; the look is in the audit log',
    answers: { 200: { type: PassphraseList, description: 'One page' } },
    problems: ['validation_failed', 'invalid_cursor'],
  })
  passphrases(@Query() query: PageQuery, @From() { actor }: Recognised): Promise<PassphraseList> {
    return this.page(
      'passphrases',
      query,
      (limit, after) => this.keys.passphrases(actor, limit, after),
      passphraseBody,
    );
  }

  private async page<Item, ItemBody>(
    list: string,
    { limit = DEFAULT_LIMIT, cursor }: PageQuery,
    read: (limit: number, after: string | null) => Promise<KeyPage<Item>>,
    bodyOf: (item: Item) => ItemBody,
  ): Promise<{ items: ItemBody[]; nextCursor: string | null; asOf: string }> {
    const position = this.cursors.open<{ readonly after: string }>({ list }, cursor);
    const { items, next, asOf } = await read(limit, position?.after ?? null);
    return {
      items: items.map(bodyOf),
      nextCursor: next && this.cursors.seal({ list }, { after: next }),
      asOf: asOf.toISOString(),
    };
  }
}

import type { FastifyRequest } from 'fastify';
import { FleetError } from '@app/fleet';
import { type SecretStore } from '@app/fleet-mysql';
import { API_KEY_PREFIX, CREDENTIAL_PREFIX, type HmacCredentials, sameBytes, sha256 } from '@app/platform';
import { RequestProblem } from '../problems/request-problem.js';
import type { Caller, ProcessServerCaller } from './caller.js';
import type { Permission } from './call.decorator.js';

const ROLES_THAT_MAY = {
  reader: ['reader', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
} as const;

/** The one place where a caller is recognised and its permission decided. */
export class Callers {
  constructor(
    private readonly secrets: SecretStore,
    private readonly credentials: HmacCredentials,
    private readonly metricsNeedReader: boolean,
  ) {}

  /**
   * Who is calling, when it may; `hostId` is the path's, canonical, where there is one.
   * @throws RequestProblem, FleetError the problem of one that may not.
   */
  async admit(permission: Permission, { headers }: Pick<FastifyRequest, 'headers'>, hostId: string | null): Promise<Caller> {
    const needed = permission === 'metrics' ? (this.metricsNeedReader ? 'reader' : 'anyone') : permission;
    if (needed === 'anyone') return { kind: 'anyone' };
    if (needed === 'process_server') return this.processServer(headers, hostId);
    const { scheme, token } = presented(headers);
    if (needed === 'passphrase') return this.withPassphrase(scheme, token);
    if (!/^bearer$/i.test(scheme)) throw missing(needed);
    if (token.startsWith(API_KEY_PREFIX)) return this.withApiKey(needed, token);
    if (needed === 'process_server_or_operator') return this.processServer(headers, hostId);
    throw new RequestProblem(token.startsWith(CREDENTIAL_PREFIX) ? 'permission_denied' : 'api_key_rejected');
  }

  /**
   * The process server of this host id, recognised without a database read.
   * @throws FleetError `credential_rejected`, also when there is none: a heartbeat without a credential is refused as a forged one is.
   */
  processServer(headers: FastifyRequest['headers'], hostId: string | null): ProcessServerCaller {
    const { scheme, token } = presented(headers);
    const opened = hostId && /^bearer$/i.test(scheme) && this.credentials.open(hostId, token);
    if (!hostId || !opened) throw new FleetError({ code: 'credential_rejected' });
    return { kind: 'process_server', hostId, ...opened };
  }

  private async withPassphrase(scheme: string, token: string): Promise<Caller> {
    if (!/^passphrase$/i.test(scheme)) throw missing('passphrase');
    const hash = sha256(token);
    const valid = (await this.secrets.passphrases()).filter((passphrase) => sameBytes(passphrase.hash, hash));
    if (!valid[0]) throw new FleetError({ code: 'passphrase_rejected' });
    return { kind: 'passphrase', passphraseId: valid[0].id };
  }

  private async withApiKey(needed: Exclude<Permission, 'anyone' | 'metrics' | 'passphrase' | 'process_server'>, token: string): Promise<Caller> {
    const key = await this.secrets.apiKey(sha256(token));
    if (!key) throw new RequestProblem('api_key_rejected');
    const roles: readonly string[] = ROLES_THAT_MAY[needed === 'process_server_or_operator' ? 'operator' : needed];
    if (!roles.includes(key.role)) throw new RequestProblem('permission_denied');
    return { kind: 'api_key', name: key.name, role: key.role };
  }
}

function presented({ authorization = '' }: FastifyRequest['headers']): { readonly scheme: string; readonly token: string } {
  const [, scheme = '', token = ''] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  return { scheme, token };
}

function missing(needed: Permission): Error {
  const how = needed === 'passphrase' ? 'Authorization: Passphrase <passphrase>' : 'Authorization: Bearer <API key>';
  return new RequestProblem('authentication_required', `Send ${how}.`);
}

import type { FastifyRequest } from 'fastify';
import { FleetError } from '@app/fleet';
import type { KeyRingStore } from '@app/fleet-mysql';
import {
  API_KEY_PREFIX,
  CREDENTIAL_PREFIX,
  type HmacCredentials,
  isApiKey,
  visiblePrefix,
  constantTimeEqual,
  sha256,
} from '@app/platform';
import { RequestProblem } from '../problems/request-problem.js';
import type { Principal, Permission, ProcessServerPrincipal, AuthenticatedRequest } from './principal.js';
import type { RateLimit } from './rate-limit.js';
import { addressBlockOf, type FailedAttemptTracker, type SecretKind } from './failed-attempts.js';

const ROLES_BY_PERMISSION = {
  reader: ['reader', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
} as const;

/** How often callers may call. */
export interface RateLimits {
  readonly perApiKey: RateLimit;
  /** Of addresses whose callers say not who they are. */
  readonly anonymous: RateLimit;
}

/** Is given the quota of a caller that has one, and what a refused one is known by. */
type IncomingCall = Pick<AuthenticatedRequest, 'headers' | 'clientAddress' | 'presented' | 'quota'>;

/** The one place where a caller is recognised and its permission decided. */
export class Authenticator {
  constructor(
    private readonly keys: KeyRingStore,
    private readonly credentials: HmacCredentials,
    private readonly failedAttempts: FailedAttemptTracker,
    private readonly limits: RateLimits,
    private readonly metricsRequireReader: boolean,
  ) {}

  /**
   * Who is calling, when it may; `hostId` is the path's, canonical, where there is one.
   * @throws RequestProblem, FleetError the problem of one that may not.
   */
  async authorize(permission: Permission, request: IncomingCall, hostId: string | null): Promise<Principal> {
    const { headers } = request;
    const requiredPermission =
      permission === 'metrics' ? (this.metricsRequireReader ? 'reader' : 'anyone') : permission;
    if (permission === 'anyone') return { kind: 'anyone' };
    if (requiredPermission === 'anyone') return this.authorizeAnonymous(request);
    if (requiredPermission === 'process_server') return this.authenticateProcessServer(headers, hostId);
    const { scheme, token } = parseAuthorizationHeader(headers);
    if (requiredPermission === 'passphrase') return this.authenticateByPassphrase(scheme, token, request);
    if (!/^bearer$/i.test(scheme)) throw credentialsMissing(requiredPermission);
    if (token.startsWith(API_KEY_PREFIX)) return this.authenticateByApiKey(requiredPermission, token, request);
    if (requiredPermission === 'process_server_or_operator') return this.authenticateProcessServer(headers, hostId);
    if (token.startsWith(CREDENTIAL_PREFIX)) throw new RequestProblem('permission_denied');
    return this.reject('api_key', request);
  }

  /**
   * The process server of this host id, recognised without a database read.
   * @throws FleetError `credential_rejected`, also when there is none: a heartbeat without a credential is refused as a forged one is.
   */
  authenticateProcessServer(headers: FastifyRequest['headers'], hostId: string | null): ProcessServerPrincipal {
    const { scheme, token } = parseAuthorizationHeader(headers);
    const verified = hostId && /^bearer$/i.test(scheme) && this.credentials.verify(hostId, token);
    if (!hostId || !verified) throw new FleetError({ code: 'credential_rejected' });
    return { kind: 'process_server', hostId, ...verified };
  }

  /**
   * A caller that need not say who it is. Health checks are not limited: a balancer's would be refused because of its clients.
   * @throws FleetError `request_rate_exceeded`
   */
  authorizeAnonymous(request: Pick<IncomingCall, 'clientAddress' | 'quota'>): Principal {
    this.countRequest(request, 'address', addressBlockOf(request.clientAddress));
    return { kind: 'anyone' };
  }

  private async authenticateByPassphrase(scheme: string, token: string, request: IncomingCall): Promise<Principal> {
    if (!/^passphrase$/i.test(scheme)) throw credentialsMissing('passphrase');
    const hash = sha256(token);
    const valid = (await this.keys.validPassphrases()).filter((passphrase) => constantTimeEqual(passphrase.hash, hash));
    return valid[0] ? { kind: 'passphrase', passphraseId: valid[0].id } : this.reject('passphrase', request);
  }

  private async authenticateByApiKey(
    requiredPermission: Exclude<Permission, 'anyone' | 'metrics' | 'passphrase' | 'process_server'>,
    token: string,
    request: IncomingCall,
  ): Promise<Principal> {
    const key = isApiKey(token) ? await this.keys.findValidApiKey(sha256(token)) : null; // what cannot be one costs no look
    if (!key) {
      if (isApiKey(token)) request.presented = { keyPrefix: visiblePrefix(token) };
      return this.reject('api_key', request);
    }
    this.countRequest(request, 'api-key', key.keyId);
    const roles: readonly string[] =
      ROLES_BY_PERMISSION[requiredPermission === 'process_server_or_operator' ? 'operator' : requiredPermission];
    if (!roles.includes(key.role)) {
      request.presented = { keyId: key.keyId, keyName: key.name };
      throw new RequestProblem('permission_denied');
    }
    return { kind: 'api_key', name: key.name, role: key.role };
  }

  private countRequest(request: Pick<IncomingCall, 'quota'>, policy: 'api-key' | 'address', caller: string): void {
    const limit = policy === 'api-key' ? this.limits.perApiKey : this.limits.anonymous;
    const isExceeded = limit.isExceeded(caller);
    request.quota = limit.quotaOf(caller, policy);
    if (isExceeded) throw new FleetError({ code: 'request_rate_exceeded' });
  }

  /** Only after a secret was found to be wrong: a right one is let in whatever came from its address before. */
  private async reject(secret: SecretKind, request: IncomingCall): Promise<never> {
    if (await this.failedAttempts.recordFailure(secret, request.clientAddress)) {
      request.quota = this.failedAttempts.exhaustedQuota;
      throw new FleetError({ code: 'authentication_attempts_exceeded' });
    }
    throw secret === 'passphrase'
      ? new FleetError({ code: 'passphrase_rejected' })
      : new RequestProblem('api_key_rejected');
  }
}

function parseAuthorizationHeader({ authorization = '' }: FastifyRequest['headers']): {
  readonly scheme: string;
  readonly token: string;
} {
  const [, scheme = '', token = ''] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  return { scheme, token };
}

function credentialsMissing(requiredPermission: Permission): Error {
  const how =
    requiredPermission === 'passphrase' ? 'Authorization: Passphrase <passphrase>' : 'Authorization: Bearer <API key>';
  return new RequestProblem('authentication_required', `Send ${how}.`);
}

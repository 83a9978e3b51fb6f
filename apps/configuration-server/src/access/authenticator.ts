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
import type { EnrolmentAuthenticator } from './enrolment-authenticator.js';
import type { RateLimit } from './rate-limit.js';
import { addressBlockOf, type FailedAttemptTracker, type SecretKind } from './failed-attempts.js';

const ROLES_BY_PERMISSION = {
  reader: ['reader', 'operator', 'admin'],
  passphrase_or_reader: ['reader', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  process_server_or_operator: ['operator', 'admin'],
  admin: ['admin'],
} as const;

/** Rate limits of callers. */
export interface RateLimits {
  readonly perApiKey: RateLimit;
  /** For each address without credentials. */
  readonly anonymous: RateLimit;
}

/** Receives the quota of a limited caller, and the identity that a rejected caller presented. */
type IncomingCall = Pick<AuthenticatedRequest, 'headers' | 'clientAddress' | 'presented' | 'quota'>;

/** The only place that authenticates callers and checks permissions. */
export class Authenticator {
  constructor(
    private readonly keys: KeyRingStore,
    private readonly credentials: HmacCredentials,
    private readonly enrolments: EnrolmentAuthenticator,
    private readonly failedAttempts: FailedAttemptTracker,
    private readonly limits: RateLimits,
    private readonly metricsRequireReader: boolean,
  ) {}

  /**
   * Authenticates the caller and checks its permission; `hostId` is the canonical host id of the path, if any.
   * @throws RequestProblem, FleetError if the caller is rejected.
   */
  async authorize(permission: Permission, request: IncomingCall, hostId: string | null): Promise<Principal> {
    const { headers } = request;
    const requiredPermission =
      permission === 'metrics' ? (this.metricsRequireReader ? 'reader' : 'anyone') : permission;
    if (permission === 'anyone') return { kind: 'anyone' };
    if (requiredPermission === 'anyone') return this.authorizeAnonymous(request);
    if (requiredPermission === 'process_server') return this.authenticateProcessServer(headers, hostId);
    const { scheme, token } = parseAuthorizationHeader(headers);
    if (
      requiredPermission === 'passphrase' ||
      requiredPermission === 'preflight' ||
      (requiredPermission === 'passphrase_or_reader' && !isBearer(scheme))
    )
      return /^enrolment$/i.test(scheme)
        ? this.enrolments.authenticate(token, request, requiredPermission === 'preflight')
        : this.authenticateByPassphrase(scheme, token, request, requiredPermission);
    if (!isBearer(scheme)) throw credentialsMissing(requiredPermission);
    if (token.startsWith(API_KEY_PREFIX)) return this.authenticateByApiKey(requiredPermission, token, request);
    if (requiredPermission === 'process_server_or_operator') return this.authenticateProcessServer(headers, hostId);
    if (token.startsWith(CREDENTIAL_PREFIX)) throw new RequestProblem('permission_denied');
    return this.reject('api_key', request);
  }

  /**
   * Authenticates the process server with this host id, without a database read.
   * @throws FleetError `credential_rejected`, also without a credential: a missing one is rejected like a forged one.
   */
  authenticateProcessServer(headers: FastifyRequest['headers'], hostId: string | null): ProcessServerPrincipal {
    const { scheme, token } = parseAuthorizationHeader(headers);
    const verified = hostId && isBearer(scheme) && this.credentials.verify(hostId, token);
    if (!hostId || !verified) throw new FleetError({ code: 'credential_rejected' });
    return { kind: 'process_server', hostId, ...verified };
  }

  /**
   * A caller without credentials. Health checks are not limited: the clients of a load balancer would exhaust its limit.
   * @throws FleetError `request_rate_exceeded`
   */
  authorizeAnonymous(request: Pick<IncomingCall, 'clientAddress' | 'quota'>): Principal {
    this.countRequest(request, 'address', addressBlockOf(request.clientAddress));
    return { kind: 'anyone' };
  }

  private async authenticateByPassphrase(
    scheme: string,
    token: string,
    request: IncomingCall,
    requiredPermission: Permission,
  ): Promise<Principal> {
    if (!/^passphrase$/i.test(scheme)) throw credentialsMissing(requiredPermission);
    const hash = sha256(token);
    const valid = (await this.keys.validPassphrases()).filter((passphrase) => constantTimeEqual(passphrase.hash, hash));
    const [passphrase] = valid;
    if (!passphrase) return this.reject('passphrase', request);
    return { kind: 'passphrase', passphraseId: passphrase.id, retiresAt: passphrase.expires_at };
  }

  private async authenticateByApiKey(
    requiredPermission: Exclude<Permission, 'anyone' | 'metrics' | 'passphrase' | 'preflight' | 'process_server'>,
    token: string,
    request: IncomingCall,
  ): Promise<Principal> {
    const key = isApiKey(token) ? await this.keys.findValidApiKey(sha256(token)) : null; // a malformed key costs no read
    if (!key) {
      if (isApiKey(token)) request.presented = { keyPrefix: visiblePrefix(token) };
      return this.reject('api_key', request);
    }
    this.countRequest(request, 'api-key', key.keyId);
    const roles: readonly string[] = ROLES_BY_PERMISSION[requiredPermission];
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

  /** Called only after a secret was found to be wrong: a valid secret is accepted whatever its address sent before. */
  private async reject(secret: Exclude<SecretKind, 'enrolment'>, request: IncomingCall): Promise<never> {
    await this.failedAttempts.countFailure(secret, request);
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

const isBearer = (scheme: string): boolean => /^bearer$/i.test(scheme);

const BY_REGISTRATION_SECRET = 'Authorization: Passphrase <passphrase>, or Authorization: Enrolment <token>';
const BY_API_KEY = 'Authorization: Bearer <API key>';
const HOW_TO_AUTHENTICATE: Partial<Record<Permission, string>> = {
  passphrase: BY_REGISTRATION_SECRET,
  preflight: BY_REGISTRATION_SECRET,
  passphrase_or_reader: `${BY_REGISTRATION_SECRET}, or ${BY_API_KEY}`,
};

const credentialsMissing = (requiredPermission: Permission): Error =>
  new RequestProblem('authentication_required', `Send ${HOW_TO_AUTHENTICATE[requiredPermission] ?? BY_API_KEY}.`);

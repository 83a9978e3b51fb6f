import type { FastifyRequest } from 'fastify';
import { FleetError } from '@app/fleet';
import type { KeyRingStore } from '@app/fleet-mysql';
import {
  API_KEY_PREFIX,
  CREDENTIAL_PREFIX,
  type HmacCredentials,
  isApiKey,
  prefixOf,
  sameBytes,
  sha256,
} from '@app/platform';
import { RequestProblem } from '../problems/request-problem.js';
import type { Caller, Permission, ProcessServerCaller, RecognisedRequest } from './caller.js';
import type { RateLimit } from './rate-limit.js';
import { neighbourhoodOf, type RefusedCallers, type WrongSecret } from './refused-callers.js';

const ROLES_THAT_MAY = {
  reader: ['reader', 'operator', 'admin'],
  operator: ['operator', 'admin'],
  admin: ['admin'],
} as const;

/** How often callers may call. */
export interface CallerLimits {
  readonly ofKeys: RateLimit;
  /** Of addresses whose callers say not who they are. */
  readonly ofStrangers: RateLimit;
}

/** Is given the quota of a caller that has one, and what a refused one is known by. */
type AskingRequest = Pick<RecognisedRequest, 'headers' | 'clientAddress' | 'presented' | 'quota'>;

/** The one place where a caller is recognised and its permission decided. */
export class Callers {
  constructor(
    private readonly keys: KeyRingStore,
    private readonly credentials: HmacCredentials,
    private readonly refused: RefusedCallers,
    private readonly limits: CallerLimits,
    private readonly metricsNeedReader: boolean,
  ) {}

  /**
   * Who is calling, when it may; `hostId` is the path's, canonical, where there is one. `expected` is called, before `admit` returns,
   * when an API key is looked up that was valid a moment ago.
   * @throws RequestProblem, FleetError the problem of one that may not.
   */
  async admit(
    permission: Permission,
    request: AskingRequest,
    hostId: string | null,
    expected = (): void => undefined,
  ): Promise<Caller> {
    const { headers } = request;
    const needed = permission === 'metrics' ? (this.metricsNeedReader ? 'reader' : 'anyone') : permission;
    if (permission === 'anyone') return { kind: 'anyone' };
    if (needed === 'anyone') return this.admitAnonymous(request);
    if (needed === 'process_server') return this.processServer(headers, hostId);
    const { scheme, token } = presented(headers);
    if (needed === 'passphrase') return this.withPassphrase(scheme, token, request);
    if (!/^bearer$/i.test(scheme)) throw missing(needed);
    if (token.startsWith(API_KEY_PREFIX)) return this.withApiKey(needed, token, request, expected);
    if (needed === 'process_server_or_operator') return this.processServer(headers, hostId);
    if (token.startsWith(CREDENTIAL_PREFIX)) throw new RequestProblem('permission_denied');
    return this.refuse('api_key', request);
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

  /**
   * A caller that need not say who it is. Health checks are not limited: a balancer's would be refused because of its clients.
   * @throws FleetError `request_rate_exceeded`
   */
  admitAnonymous(request: Pick<AskingRequest, 'clientAddress' | 'quota'>): Caller {
    this.countCall(request, 'address', neighbourhoodOf(request.clientAddress));
    return { kind: 'anyone' };
  }

  private async withPassphrase(scheme: string, token: string, request: AskingRequest): Promise<Caller> {
    if (!/^passphrase$/i.test(scheme)) throw missing('passphrase');
    const hash = sha256(token);
    const valid = (await this.keys.validPassphrases()).filter((passphrase) => sameBytes(passphrase.hash, hash));
    return valid[0] ? { kind: 'passphrase', passphraseId: valid[0].id } : this.refuse('passphrase', request);
  }

  private async withApiKey(
    needed: Exclude<Permission, 'anyone' | 'metrics' | 'passphrase' | 'process_server'>,
    token: string,
    request: AskingRequest,
    expected: () => void,
  ): Promise<Caller> {
    const hash = sha256(token);
    const known = this.keys.validLately(hash);
    if (known) this.countCall(request, 'api-key', known); // at once where it can be: then one too many costs no look, and begins nothing
    if (known) expected();
    const key = isApiKey(token) ? await this.keys.apiKeyOf(hash) : null; // what cannot be one costs no look
    if (!key) {
      if (isApiKey(token)) request.presented = { keyPrefix: prefixOf(token) };
      return this.refuse('api_key', request);
    }
    if (!known) this.countCall(request, 'api-key', key.keyId);
    const roles: readonly string[] = ROLES_THAT_MAY[needed === 'process_server_or_operator' ? 'operator' : needed];
    if (!roles.includes(key.role)) {
      request.presented = { keyId: key.keyId, keyName: key.name };
      throw new RequestProblem('permission_denied');
    }
    return { kind: 'api_key', name: key.name, role: key.role };
  }

  private countCall(request: Pick<AskingRequest, 'quota'>, policy: 'api-key' | 'address', caller: string): void {
    const limit = policy === 'api-key' ? this.limits.ofKeys : this.limits.ofStrangers;
    const isExceeded = limit.isExceeded(caller);
    request.quota = limit.quotaOf(caller, policy);
    if (isExceeded) throw new FleetError({ code: 'request_rate_exceeded' });
  }

  /** Only after a secret was found to be wrong: a right one is let in whatever came from its address before. */
  private async refuse(secret: WrongSecret, request: AskingRequest): Promise<never> {
    if (await this.refused.add(secret, request.clientAddress)) {
      request.quota = this.refused.exhaustedQuota;
      throw new FleetError({ code: 'authentication_attempts_exceeded' });
    }
    throw secret === 'passphrase'
      ? new FleetError({ code: 'passphrase_rejected' })
      : new RequestProblem('api_key_rejected');
  }
}

function presented({ authorization = '' }: FastifyRequest['headers']): {
  readonly scheme: string;
  readonly token: string;
} {
  const [, scheme = '', token = ''] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  return { scheme, token };
}

function missing(needed: Permission): Error {
  const how = needed === 'passphrase' ? 'Authorization: Passphrase <passphrase>' : 'Authorization: Bearer <API key>';
  return new RequestProblem('authentication_required', `Send ${how}.`);
}

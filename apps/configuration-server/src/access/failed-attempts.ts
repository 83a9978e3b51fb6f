import ipaddr from 'ipaddr.js';
import { FleetError, systemAuthor, WindowCounter, type Clock, type Registry } from '@app/fleet';
import type { AuthenticatedRequest } from './principal.js';
import type { Quota } from './rate-limit.js';

/** The kind of a rejected secret. */
export type SecretKind = 'passphrase' | 'enrolment' | 'api_key';

/** Period in which wrong secrets are counted. */
const WINDOW_MS = 600_000;
/** From one address in a window; more are rate limited. Valid secrets are always accepted, so other users of the address are not affected. */
const MAX_FAILURES_PER_ADDRESS = 20;
/** Wrong secrets from this many addresses in a window are not one person's typing errors. */
const DISTRIBUTED_ATTACK_ADDRESSES = 10;
/** Further addresses are counted as one. */
const MAX_TRACKED_ADDRESSES = 10_000;
const OVERFLOW_KEY = 'others';

/** One IPv6 customer has a /64 network, so its addresses are counted as one. */
export const addressBlockOf = (address: string): string =>
  ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':') : address;

/**
 * Counts wrong passphrases, enrolments and API keys by source address, at this replica, and decides when an address is rate limited. Wrong secrets
 * from many addresses are recorded as an event.
 */
export class FailedAttemptTracker {
  private readonly attempts: WindowCounter;
  private readonly failuresByKind: WindowCounter;
  private recording: Promise<void> | null = null;

  constructor(
    clock: Clock,
    private readonly registry: Registry,
  ) {
    this.attempts = new WindowCounter(WINDOW_MS, clock);
    this.failuresByKind = new WindowCounter(WINDOW_MS, clock);
  }

  /** Number of addresses that sent a wrong secret in this window. */
  get addresses(): number {
    return this.attempts.size;
  }

  /** @throws FleetError `authentication_attempts_exceeded`, with its quota in the request. */
  async countFailure(
    secret: SecretKind,
    request: Pick<AuthenticatedRequest, 'clientAddress' | 'quota'>,
  ): Promise<void> {
    if (!(await this.recordFailure(secret, request.clientAddress))) return;
    request.quota = this.exhaustedQuota;
    throw new FleetError({ code: 'authentication_attempts_exceeded' });
  }

  /** Returns true if the address has exceeded its limit. */
  async recordFailure(secret: SecretKind, address: string): Promise<boolean> {
    this.failuresByKind.add(secret);
    const attempts = this.attempts.add(this.keyOf(addressBlockOf(address)));
    if (this.attempts.size >= DISTRIBUTED_ATTACK_ADDRESSES)
      await (this.recording ??= this.recordEvent().finally(() => (this.recording = null)));
    return attempts > MAX_FAILURES_PER_ADDRESS;
  }

  /** The quota of an address that has exceeded its limit. */
  get exhaustedQuota(): Quota {
    return {
      policy: 'wrong-secrets',
      limit: MAX_FAILURES_PER_ADDRESS,
      windowSeconds: WINDOW_MS / 1000,
      remaining: 0,
      resetSeconds: this.attempts.endsInSeconds,
    };
  }

  private keyOf(addressBlock: string): string {
    return this.attempts.size < MAX_TRACKED_ADDRESSES || this.attempts.countOf(addressBlock) > 0
      ? addressBlock
      : OVERFLOW_KEY;
  }

  /** Recorded once an hour; a failed write is repeated with the next wrong secret. */
  private async recordEvent(): Promise<void> {
    const detail = {
      addresses: this.attempts.size,
      passphrases: this.failuresByKind.countOf('passphrase'),
      enrolments: this.failuresByKind.countOf('enrolment'),
      apiKeys: this.failuresByKind.countOf('api_key'),
      withinSeconds: WINDOW_MS / 1000,
    };
    const event = {
      kind: 'refused_authentication',
      hostId: null,
      generation: null,
      ...systemAuthor('configuration-server'),
      detail,
    } as const;
    await this.registry.recordRejection(event).catch(() => undefined);
  }
}

import ipaddr from 'ipaddr.js';
import { systemAuthor, type Clock, type Registry } from '@app/fleet';
import { WindowCounter } from '../window-counter.js';
import type { Quota } from './rate-limit.js';

/** What a caller presented in vain. */
export type SecretKind = 'passphrase' | 'api_key';

/** So long wrong ones are remembered. */
const WINDOW_MS = 600_000;
/** From one address in a window; more are told to wait. A right one is always let in, so this costs no honest neighbour anything. */
const MAX_FAILURES_PER_ADDRESS = 20;
/** From so many addresses in a window it is no typing error of one person. */
const DISTRIBUTED_ATTACK_ADDRESSES = 10;
/** Beyond this many, addresses are counted as one. */
const MAX_TRACKED_ADDRESSES = 10_000;
const OVERFLOW_KEY = 'others';

/** Whoever has one IPv6 address has the 64 bits behind it as well. */
export const addressBlockOf = (address: string): string =>
  ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':') : address;

/**
 * Counts wrong passphrases and keys by the address that they came from, at this replica, and tells when to slow down. What comes
 * from many addresses is worth an event.
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

  /** Addresses from which a wrong one came in this window. */
  get addresses(): number {
    return this.attempts.size;
  }

  /** Counts one more. True when its address has had too many. */
  async recordFailure(secret: SecretKind, address: string): Promise<boolean> {
    this.failuresByKind.add(secret);
    const attempts = this.attempts.add(this.keyOf(addressBlockOf(address)));
    if (this.attempts.size >= DISTRIBUTED_ATTACK_ADDRESSES)
      await (this.recording ??= this.recordEvent().finally(() => (this.recording = null)));
    return attempts > MAX_FAILURES_PER_ADDRESS;
  }

  /** Of an address that has had too many. */
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

  /** Once an hour; one that cannot be noted now is noted with the next. */
  private async recordEvent(): Promise<void> {
    const detail = {
      addresses: this.attempts.size,
      passphrases: this.failuresByKind.countOf('passphrase'),
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

import ipaddr from 'ipaddr.js';
import { ownDoing, type Clock, type Registry } from '@app/fleet';
import type { Quota } from './rate-limit.js';

/** What a caller presented in vain. */
export type WrongSecret = 'passphrase' | 'api_key';

/** So long wrong ones are remembered. */
const WINDOW_MS = 600_000;
/** From one address in a window; more are told to wait. A right one is always let in, so this costs no honest neighbour anything. */
const MOST_FROM_AN_ADDRESS = 20;
/** From so many addresses in a window it is no typing error of one person. */
const MANY_ADDRESSES = 10;
/** Beyond this many, addresses are counted as one. */
const MOST_ADDRESSES = 10_000;
const OTHERS = 'others';

/** Whoever has one IPv6 address has the 64 bits behind it as well. */
export const neighbourhoodOf = (address: string): string =>
  ipaddr.IPv6.isValid(address) ? ipaddr.IPv6.parse(address).parts.slice(0, 4).join(':') : address;

/**
 * Counts wrong passphrases and keys by the address that they came from, at this replica, and tells when to slow down. What comes
 * from many addresses is worth an event.
 */
export class RefusedCallers {
  private windowEndsMs = 0;
  private readonly attempts = new Map<string, number>();
  private readonly kinds = { passphrase: 0, api_key: 0 };
  private noting: Promise<void> | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  /** Addresses from which a wrong one came in this window. */
  get addresses(): number {
    this.turn();
    return this.attempts.size;
  }

  /** Counts one more. True when its address has had too many. */
  async add(secret: WrongSecret, address: string): Promise<boolean> {
    this.turn();
    this.kinds[secret] += 1;
    const key = this.keyOf(neighbourhoodOf(address));
    const attempts = (this.attempts.get(key) ?? 0) + 1;
    this.attempts.set(key, attempts);
    if (this.attempts.size >= MANY_ADDRESSES) await (this.noting ??= this.note().finally(() => (this.noting = null)));
    return attempts > MOST_FROM_AN_ADDRESS;
  }

  /** Of an address that has had too many. */
  get exhaustedQuota(): Quota {
    const resetSeconds = Math.max(1, Math.ceil((this.windowEndsMs - this.clock.monotonicMs()) / 1000));
    return {
      policy: 'wrong-secrets',
      limit: MOST_FROM_AN_ADDRESS,
      windowSeconds: WINDOW_MS / 1000,
      remaining: 0,
      resetSeconds,
    };
  }

  private keyOf(neighbourhood: string): string {
    return this.attempts.size < MOST_ADDRESSES || this.attempts.has(neighbourhood) ? neighbourhood : OTHERS;
  }

  private turn(): void {
    const now = this.clock.monotonicMs();
    if (now < this.windowEndsMs) return;
    this.windowEndsMs = now + WINDOW_MS;
    this.attempts.clear();
    this.kinds.passphrase = 0;
    this.kinds.api_key = 0;
  }

  /** Once an hour; one that cannot be noted now is noted with the next. */
  private async note(): Promise<void> {
    const detail = {
      addresses: this.attempts.size,
      passphrases: this.kinds.passphrase,
      apiKeys: this.kinds.api_key,
      withinSeconds: WINDOW_MS / 1000,
    };
    const refusal = {
      kind: 'refused_authentication',
      hostId: null,
      generation: null,
      ...ownDoing('configuration-server'),
      detail,
    } as const;
    await this.registry.noteRefusal(refusal).catch(() => undefined);
  }
}

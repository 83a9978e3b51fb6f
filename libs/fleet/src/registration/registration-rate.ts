import { FleetError } from '../fleet-error.js';
import type { Clock, Randomness } from '../ports.js';
import type { RegistrationCommand } from './registration.js';
import { TokenBuckets } from './token-buckets.js';

export interface RegistrationLimits {
  /** New host ids per second from one source address. */
  readonly newPerSecond: number;
  /** Registrations per hour of one registered host id. */
  readonly perServerPerHour: number;
}

/**
 * The number of addresses that can register at their full rate with one passphrase or enrolment, so that a flood from one address
 * does not block the others.
 */
const ADDRESSES_PER_SECRET = 10;
const BURST_SECONDS = 10;
const HOUR_SECONDS = 3_600;
/** Rejected new host ids retry within a minute, spread at random, because they may be a whole fleet. */
const MIN_RETRY_SECONDS = 5;
const RETRY_SPREAD_SECONDS = 55;
const MAX_RETRY_SECONDS = 300;

/**
 * Limits the rate of registrations at this replica. The limit for new host ids never applies to a registered host id,
 * so a fleet that registers again after a restart is not limited. A host id with only a tombstone counts as new:
 * removed process servers do not return all at once.
 */
export class RegistrationRate {
  private readonly byAddress: TokenBuckets;
  private readonly bySecret: TokenBuckets;
  private readonly byServer: TokenBuckets;
  private readonly serverRetrySeconds: number;
  /** The admitted commands: a retried transaction is not counted again. */
  private readonly admitted = new WeakSet<RegistrationCommand>();

  /** `networkOf` returns the network of an address, which counts as one source. */
  constructor(
    private readonly clock: Clock,
    private readonly randomness: Randomness,
    private readonly limits: RegistrationLimits,
    private readonly networkOf: (address: string) => string,
  ) {
    const { newPerSecond, perServerPerHour } = limits;
    const perSecret = newPerSecond * ADDRESSES_PER_SECRET;
    this.byAddress = new TokenBuckets(newPerSecond, newPerSecond * BURST_SECONDS);
    this.bySecret = new TokenBuckets(perSecret, perSecret * BURST_SECONDS);
    this.serverRetrySeconds = Math.min(Math.ceil(HOUR_SECONDS / perServerPerHour), MAX_RETRY_SECONDS);
    this.byServer = new TokenBuckets(perServerPerHour / HOUR_SECONDS, perServerPerHour);
  }

  /** @throws FleetError `registration_rate_exceeded` */
  admitNew(command: RegistrationCommand): void {
    const nowMs = this.clock.monotonicMs();
    if (this.admitted.has(command)) return;
    const isWithinAddress = this.byAddress.take(this.networkOf(command.actor.address), nowMs);
    if (!isWithinAddress || !this.bySecret.take(command.passphraseId ?? command.enrolmentId ?? '', nowMs)) {
      const perSecond = this.limits.newPerSecond * (isWithinAddress ? ADDRESSES_PER_SECRET : 1);
      const retryAfterSeconds = MIN_RETRY_SECONDS + Math.floor(this.randomness.random() * RETRY_SPREAD_SECONDS);
      throw new FleetError({
        code: 'registration_rate_exceeded',
        of: 'new_host_ids',
        limit: perSecond * BURST_SECONDS,
        windowSeconds: BURST_SECONDS,
        retryAfterSeconds,
      });
    }
    this.admitted.add(command);
  }

  /** @throws FleetError `registration_rate_exceeded` */
  admitAgain(command: RegistrationCommand): void {
    if (this.admitted.has(command)) return;
    if (!this.byServer.take(command.hostId, this.clock.monotonicMs())) {
      throw new FleetError({
        code: 'registration_rate_exceeded',
        of: 'host_id',
        limit: this.limits.perServerPerHour,
        windowSeconds: HOUR_SECONDS,
        retryAfterSeconds: this.serverRetrySeconds,
      });
    }
    this.admitted.add(command);
  }
}

import { FleetError } from '../fleet-error.js';
import type { Clock, Randomness } from '../ports.js';
import type { RegistrationCommand } from './registration.js';
import { TokenBuckets } from './token-buckets.js';

export interface RegistrationLimits {
  /** New host ids from one source address. */
  readonly newPerSecond: number;
  /** Registrations of one host id that has an entry. */
  readonly perServerPerHour: number;
}

/** As many addresses can register at their full rate with one passphrase: a flood from one address leaves room for the others. */
const ADDRESSES_PER_PASSPHRASE = 10;
const BURST_SECONDS = 10;
const HOUR_SECONDS = 3_600;
/** Refused newcomers return within a minute, spread: they may be a whole fleet. */
const MIN_RETRY_SECONDS = 5;
const RETRY_SPREAD_SECONDS = 55;
const MAX_RETRY_SECONDS = 300;

/**
 * The rate of registrations at this replica. A host id with an entry is never refused for the rate of others: a fleet that
 * registers again after a restart is not limited. A tombstone does not make a host id known; removed process servers do not return together.
 */
export class RegistrationRate {
  private readonly byAddress: TokenBuckets;
  private readonly byPassphrase: TokenBuckets;
  private readonly byServer: TokenBuckets;
  private readonly serverRetrySeconds: number;
  /** Orders whose transaction may be tried again. */
  private readonly admitted = new WeakSet<RegistrationCommand>();

  /** `networkOf` is what counts as one source address. */
  constructor(
    private readonly clock: Clock,
    private readonly randomness: Randomness,
    private readonly limits: RegistrationLimits,
    private readonly networkOf: (address: string) => string,
  ) {
    const { newPerSecond, perServerPerHour } = limits;
    const perPassphrase = newPerSecond * ADDRESSES_PER_PASSPHRASE;
    this.byAddress = new TokenBuckets(newPerSecond, newPerSecond * BURST_SECONDS);
    this.byPassphrase = new TokenBuckets(perPassphrase, perPassphrase * BURST_SECONDS);
    this.serverRetrySeconds = Math.min(Math.ceil(HOUR_SECONDS / perServerPerHour), MAX_RETRY_SECONDS);
    this.byServer = new TokenBuckets(perServerPerHour / HOUR_SECONDS, perServerPerHour);
  }

  /** @throws FleetError `registration_rate_exceeded` */
  admitNew(command: RegistrationCommand): void {
    const nowMs = this.clock.monotonicMs();
    if (this.admitted.has(command)) return;
    const isWithinAddress = this.byAddress.take(this.networkOf(command.actor.address), nowMs);
    if (!isWithinAddress || !this.byPassphrase.take(command.passphraseId, nowMs)) {
      const perSecond = this.limits.newPerSecond * (isWithinAddress ? ADDRESSES_PER_PASSPHRASE : 1);
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

import { describe, expect, it } from '@jest/globals';
import type { FleetError, FleetErrorDetails } from '../fleet-error.js';
import { Clock, Randomness } from '../ports.js';
import { RegistrationRate } from './registration-rate.js';
import type { RegistrationCommand } from './registration.js';
import { NOON, someFacts } from '../testing/examples.js';
import { TokenBuckets } from './token-buckets.js';

class ManualClock extends Clock {
  ms = 5_000;
  override now(): Date {
    return NOON;
  }
  override monotonicMs(): number {
    return this.ms;
  }
}

class FixedFraction extends Randomness {
  constructor(private readonly value: number) {
    super();
  }
  override random(): number {
    return this.value;
  }
}

const aCommand = (address: string, passphraseId = 'p', hostId = 'h'): RegistrationCommand => ({
  hostId,
  facts: someFacts(),
  sentAt: null,
  passphraseId,
  enrolmentId: null,
  previousCredentialHash: null,
  actor: { name: 'process-server', address, requestId: 'r' },
});

const clock = new ManualClock();
const rateOf = (newPerSecond: number, perServerPerHour: number, fraction = 0): RegistrationRate =>
  new RegistrationRate(
    clock,
    new FixedFraction(fraction),
    { newPerSecond, perServerPerHour },
    (address) => address.split('/')[0] ?? address,
  );

function rejectionOf(work: () => void): FleetErrorDetails | null {
  try {
    work();
    return null;
  } catch (error) {
    return (error as FleetError).details;
  }
}
/** The number of admitted calls. */
const admitted = (count: number, admit: (number: number) => void): number =>
  Array.from({ length: count }, (_, number) => rejectionOf(() => admit(number))).filter(
    (rejection) => rejection === null,
  ).length;

describe('new host ids', () => {
  it.each([
    ['at once', 0, 20],
    ['half a second later', 500, 1],
    ['five seconds later', 5_000, 10],
    ['an hour later', 3_600_000, 20],
  ])('of one address %s are admitted up to the rate of ten seconds', (_when, laterMs, expected) => {
    const rate = rateOf(2, 1);
    if (laterMs > 0) admitted(30, () => rate.admitNew(aCommand('192.0.2.1')));
    clock.ms += laterMs;
    expect(admitted(30, () => rate.admitNew(aCommand('192.0.2.1')))).toBe(expected);
  });

  it('are counted separately for each network and passphrase', () => {
    const rate = rateOf(1, 1);
    expect(admitted(11, (number) => rate.admitNew(aCommand(`192.0.2.1/${number}`)))).toBe(10);
    expect(rejectionOf(() => rate.admitNew(aCommand('192.0.2.2')))).toBeNull();
    expect(rejectionOf(() => rate.admitNew(aCommand('192.0.2.1', 'another')))).not.toBeNull();
  });

  it('with one passphrase are admitted at ten times the rate of one address', () => {
    const rate = rateOf(1, 1);
    expect(admitted(300, (number) => rate.admitNew(aCommand(`192.0.2.${number}`)))).toBe(100);
    expect(rejectionOf(() => rate.admitNew(aCommand('198.51.100.1', 'another')))).toBeNull();
  });

  it('rejected by the limit of their address do not count against their passphrase', () => {
    const rate = rateOf(1, 1);
    admitted(500, () => rate.admitNew(aCommand('192.0.2.1')));
    expect(admitted(300, (number) => rate.admitNew(aCommand(`198.51.100.${number}`)))).toBe(90);
  });

  it.each([
    [0, 5],
    [0.999, 59],
  ])('get a retry time within a minute: with random number %d after %d s', (fraction, retryAfterSeconds) => {
    const rate = rateOf(1, 1, fraction);
    admitted(10, () => rate.admitNew(aCommand('192.0.2.1')));
    expect(rejectionOf(() => rate.admitNew(aCommand('192.0.2.1')))).toEqual({
      code: 'registration_rate_exceeded',
      of: 'new_host_ids',
      limit: 10,
      windowSeconds: 10,
      retryAfterSeconds,
    });
  });

  it('are counted once when their transaction is retried', () => {
    const rate = rateOf(1, 1);
    const command = aCommand('192.0.2.1');
    expect(admitted(30, () => rate.admitNew(command))).toBe(30);
    expect(admitted(30, () => rate.admitNew(aCommand('192.0.2.1')))).toBe(9);
  });
});

describe('registrations of one host id', () => {
  it.each([
    ['at once', 0, 60],
    ['a minute later', 60_000, 1],
    ['an hour later', 3_600_000, 60],
  ])('%s are admitted up to the rate of an hour', (_when, laterMs, expected) => {
    const rate = rateOf(1, 60);
    if (laterMs > 0) admitted(100, () => rate.admitAgain(aCommand('192.0.2.1')));
    clock.ms += laterMs;
    expect(admitted(100, () => rate.admitAgain(aCommand('192.0.2.1')))).toBe(expected);
  });

  it('are not limited by the registrations of other host ids', () => {
    const rate = rateOf(1, 1);
    expect(admitted(10_000, (number) => rate.admitAgain(aCommand('192.0.2.1', 'p', String(number))))).toBe(10_000);
    expect(rejectionOf(() => rate.admitAgain(aCommand('192.0.2.1', 'p', '7')))).not.toBeNull();
  });

  it.each([
    [1, 300],
    [60, 60],
    [2_000, 2],
  ])('limited to %d an hour get a retry time of %d s', (perServerPerHour, retryAfterSeconds) => {
    const rate = rateOf(1, perServerPerHour);
    let rejection: FleetErrorDetails | null = null;
    while (rejection === null) rejection = rejectionOf(() => rate.admitAgain(aCommand('192.0.2.1')));
    expect(rejection).toEqual({
      code: 'registration_rate_exceeded',
      of: 'host_id',
      limit: perServerPerHour,
      windowSeconds: 3_600,
      retryAfterSeconds,
    });
  });
});

describe('token buckets', () => {
  it('that are full are deleted', () => {
    const buckets = new TokenBuckets(1, 10);
    for (let key = 0; key < 1_000; key += 1) buckets.take(String(key), 100_000);
    for (let taken = 0; taken < 10; taken += 1) buckets.take('busy', 105_000);
    expect(buckets.size).toBe(1_001);
    buckets.take('another', 110_000);
    expect(buckets.size).toBe(2);
    expect(buckets.take('busy', 110_000)).toBe(true);
  });
});

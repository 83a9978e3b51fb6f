import { describe, expect, it } from '@jest/globals';
import type { FleetError } from '../fleet-error.js';
import { aProcessServer, AN_OPERATOR, msAfter, NOON, someFacts } from '../testing/examples.js';
import {
  createEnrolment,
  enrolmentError,
  enrolmentStateAt,
  isRepetition,
  revokeEnrolment,
  type CreateEnrolmentCommand,
  type Enrolment,
} from './enrolment.js';

const DAY_MS = 86_400_000;
const ID = '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10';

/** Expires an hour after noon, for one registration. */
const anEnrolment = (over: Partial<Enrolment> = {}): Enrolment => ({
  enrolmentId: ID,
  note: 'Berlin',
  createdAt: NOON,
  createdBy: 'anna',
  expiresAt: msAfter(NOON, 3_600_000),
  maxRegistrations: 1,
  registrations: 0,
  revokedAt: null,
  revokedBy: null,
  ...over,
});
const creating = (over: Partial<CreateEnrolmentCommand> = {}) =>
  createEnrolment({ expiresAt: null, maxRegistrations: null, note: 'Berlin', actor: AN_OPERATOR, ...over }, ID, NOON);
const codeOf = (work: () => unknown): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as FleetError).details.code;
  }
};

describe('the state of an enrolment', () => {
  const revoked = { revokedAt: NOON, revokedBy: 'anna' };
  const usedUp = { registrations: 1 };
  it.each([
    ['new', {}, 'Active', null],
    ['a millisecond before its expiry', { expiresAt: msAfter(NOON, 1) }, 'Active', null],
    ['at its expiry', { expiresAt: NOON }, 'Expired', 'enrolment_expired'],
    ['a millisecond after its expiry', { expiresAt: msAfter(NOON, -1) }, 'Expired', 'enrolment_expired'],
    ['with one registration left', { registrations: 1, maxRegistrations: 2 }, 'Active', null],
    ['without a registration left', usedUp, 'UsedUp', 'enrolment_used_up'],
    ['with more registrations than permitted', { registrations: 2 }, 'UsedUp', 'enrolment_used_up'],
    ['expired and used up', { ...usedUp, expiresAt: NOON }, 'Expired', 'enrolment_expired'],
    ['revoked', revoked, 'Revoked', 'enrolment_revoked'],
    ['revoked, expired and used up', { ...revoked, ...usedUp, expiresAt: NOON }, 'Revoked', 'enrolment_revoked'],
  ] as const)('%s: %j is %s', (_case, over, state, code) => {
    expect(enrolmentStateAt(NOON, anEnrolment(over))).toBe(state);
    expect(enrolmentError(NOON, anEnrolment(over))?.code ?? null).toBe(code);
  });
});

describe('createEnrolment', () => {
  it('expires in five days and permits one registration by default', () => {
    const { enrolment, event } = creating();
    expect(enrolment).toEqual(anEnrolment({ expiresAt: msAfter(NOON, 5 * DAY_MS) }));
    expect(event).toEqual({
      kind: 'enrolment_created',
      actor: 'anna',
      sourceAddress: AN_OPERATOR.address,
      requestId: AN_OPERATOR.requestId,
      detail: { enrolmentId: ID, note: 'Berlin', expiresAt: '2026-11-28T12:00:00.000Z', maxRegistrations: 1 },
    });
  });

  it.each([
    [-1, 'expiry_not_in_future'],
    [0, 'expiry_not_in_future'],
    [1, null],
    [90 * DAY_MS, null],
    [90 * DAY_MS + 1, 'expiry_too_far'],
  ])('with an expiry in %d ms: %s', (ms, code) => {
    expect(codeOf(() => creating({ expiresAt: msAfter(NOON, ms) }))).toBe(code);
  });
});

describe('revokeEnrolment', () => {
  it.each([
    ['Active', {}],
    ['UsedUp', { registrations: 1 }],
    ['Expired', { expiresAt: NOON }],
  ])('revokes one that is %s, with one event', (state, over) => {
    const { enrolment, event } = revokeEnrolment(anEnrolment(over), AN_OPERATOR, NOON);
    expect(enrolment).toEqual(anEnrolment({ ...over, revokedAt: NOON, revokedBy: 'anna' }));
    expect(event).toMatchObject({ kind: 'enrolment_revoked', detail: { enrolmentId: ID, note: 'Berlin', state } });
  });

  it('changes nothing the second time', () => {
    const revoked = anEnrolment({ revokedAt: msAfter(NOON, -1), revokedBy: 'bert' });
    expect(revokeEnrolment(revoked, AN_OPERATOR, NOON)).toEqual({ enrolment: revoked, event: null });
  });
});

describe('isRepetition', () => {
  const use = { enrolmentId: ID, machineId: 'machine-1' };
  const byEnrolment = { passphraseId: null, enrolmentId: ID };
  it.each([
    ['of a new host id', null, false],
    ['of the same host id, machine and enrolment', aProcessServer(byEnrolment), true],
    ['by another machine', aProcessServer({ ...byEnrolment, facts: someFacts({ machineId: 'machine-2' }) }), false],
    ['of an entry by another enrolment', aProcessServer({ ...byEnrolment, enrolmentId: 'other' }), false],
    ['of an entry by passphrase', aProcessServer(), false],
  ] as const)('a registration %s: %#', (_case, before, expected) => {
    expect(isRepetition(before, use)).toBe(expected);
  });
});

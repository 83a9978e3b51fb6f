import { describe, expect, it } from '@jest/globals';
import { damageOf, inconsistenciesOf, lastGeneration, repair } from './consistency.js';
import type { CredentialIssuer, LockedRecord } from '../ports.js';
import type { HostRows } from '../process-server.js';
import { purge } from '../removal/purge.js';
import { register, type RegistrationPolicy } from '../registration/registration.js';
import {
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  AN_OPERATOR,
  aLockedRecord,
  HOST_ID,
  someFacts,
  TIMING,
} from '../testing/examples.js';
import { fixedVersionRules } from '../version/fixed-version-rules.js';
import { parseVersion, type Version } from '../version/version.js';

const TERMS: RegistrationPolicy = {
  version: parseVersion('9.63.7187.1') as Version,
  versions: fixedVersionRules(parseVersion('9.63.7187.1') as Version),
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};
const ISSUER: CredentialIssuer = {
  issue: (hostId, generation) => ({ credential: `of ${hostId} ${generation}`, credentialHash: `hash ${generation}` }),
};

const NOTHING: HostRows = { entry: null, lease: null, hasHealth: false, names: 0, currentNames: 0, tombstone: null };
const WHOLE: HostRows = {
  ...NOTHING,
  entry: { generation: 3, isDecommissioned: false },
  lease: { generation: 3, isRetired: false },
  hasHealth: true,
  names: 2,
  currentNames: 1,
};

describe('inconsistenciesOf', () => {
  it.each<[string, Partial<HostRows>, string[]]>([
    ['consistent', {}, []],
    ['without a lease', { lease: null }, ['lease_missing']],
    ['without health', { hasHealth: false }, ['health_missing']],
    ['without a current name', { currentNames: 0 }, ['name_mismatch']],
    ['with two current names', { currentNames: 2 }, ['name_mismatch']],
    ['with a lease of an earlier generation', { lease: { generation: 2, isRetired: false } }, ['generation_mismatch']],
    ['with a lease of a later generation', { lease: { generation: 4, isRetired: false } }, ['generation_mismatch']],
    [
      'decommissioned, with a lease that is not retired',
      { entry: { generation: 3, isDecommissioned: true } },
      ['retirement_mismatch'],
    ],
    ['registered, with a retired lease', { lease: { generation: 3, isRetired: true } }, ['retirement_mismatch']],
    ['with a tombstone', { tombstone: aTombstone({ generation: 2 }) }, ['entry_with_tombstone']],
    [
      'an entry alone',
      { lease: null, hasHealth: false, names: 0, currentNames: 0 },
      ['lease_missing', 'health_missing', 'name_mismatch'],
    ],
    ['a lease alone', { ...NOTHING, lease: { generation: 3, isRetired: false } }, ['orphan']],
    ['health with a tombstone', { ...NOTHING, hasHealth: true, tombstone: aTombstone() }, ['orphan']],
    ['an old name alone', { ...NOTHING, names: 1 }, ['orphan']],
    ['a tombstone alone', { ...NOTHING, tombstone: aTombstone() }, []],
    ['no rows', NOTHING, []],
  ])('%s', (_what, over, kinds) => {
    expect(inconsistenciesOf({ ...WHOLE, ...over })).toEqual(kinds);
  });

  it('damageOf is null for consistent rows and has the highest generation otherwise', () => {
    expect(damageOf(WHOLE)).toBeNull();
    expect(
      damageOf({ ...WHOLE, lease: { generation: 5, isRetired: false }, tombstone: aTombstone({ generation: 4 }) })
        ?.generation,
    ).toBe(5);
    expect(damageOf({ ...WHOLE, tombstone: aTombstone({ generation: 9 }) })?.generation).toBe(9);
  });

  it.each([
    ['stays decommissioned with a lease of its own generation', 3, true],
    ['is registered again with a lease of a later generation', 4, false],
  ])('a decommissioned entry %s', (_what, leaseGeneration, isDecommissioned) => {
    const damage = damageOf({
      ...WHOLE,
      entry: { generation: 3, isDecommissioned: true },
      lease: { generation: leaseGeneration, isRetired: false },
    });
    expect(damage?.isDecommissioned).toBe(isDecommissioned);
  });
});

/** The record of an entry whose lease is two registrations ahead. */
function damaged(rows: Partial<HostRows> = { lease: { generation: 5, isRetired: false } }): LockedRecord {
  const damage = damageOf({ ...WHOLE, ...rows });
  if (!damage) throw new Error('these rows are consistent');
  return aLockedRecord({ entry: damage.rows.entry && aDisconnectedServer({ generation: damage.generation }), damage });
}

describe('a repair', () => {
  it('of consistent rows changes nothing', () => {
    expect(repair(aLockedRecord({ entry: aProcessServer() }))).toEqual({ result: [] });
  });

  it('completes an entry and records the inconsistencies', () => {
    const { result, change } = repair(damaged());
    expect(result).toEqual(['generation_mismatch']);
    expect(change?.write).toMatchObject({ to: 'repaired', entry: { generation: 5 } });
    expect(change?.event).toMatchObject({
      kind: 'inconsistency_repaired',
      generation: 5,
      detail: { found: ['generation_mismatch'], result: 'entry_completed', entryGeneration: 3, leaseGeneration: 5 },
    });
  });

  it.each([
    [2, 'entry_completed'],
    [3, 'entry_removed'],
    [4, 'entry_removed'],
  ])('of an entry of generation 3 with a tombstone of generation %d ends in %s', (generation, result) => {
    const { change } = repair(damaged({ tombstone: aTombstone({ generation }) }));
    expect(change?.event.detail).toMatchObject({ result });
    expect(change?.write.to).toBe(result === 'entry_removed' ? 'removed' : 'repaired');
  });

  it('deletes rows without an entry', () => {
    const { change } = repair(damaged({ ...NOTHING, names: 1 }));
    expect(change).toMatchObject({
      write: { to: 'repaired', entry: null },
      event: { detail: { result: 'orphans_deleted' } },
    });
  });
});

describe('damaged rows', () => {
  it('are replaced by a registration with the generation after the highest', () => {
    const command = {
      hostId: HOST_ID,
      facts: someFacts(),
      sentAt: null,
      passphraseId: 'passphrase-1',
      enrolmentId: null,
      previousCredentialHash: null,
      actor: AN_OPERATOR,
    };
    const generationAfter = (record: LockedRecord): number =>
      register(command, record, [], 30, TERMS, ISSUER).result.generation;
    expect(generationAfter(damaged())).toBe(6);
    expect(generationAfter(damaged({ ...NOTHING, lease: { generation: 5, isRetired: false } }))).toBe(6);
    expect(lastGeneration(damaged())).toBe(5);
  });

  it.each([3, 5])('can be purged by the listed generation or the highest: %d', (generation) => {
    const command = { generation, reason: 'scrapped', force: true, actor: AN_OPERATOR, planId: null };
    expect(purge(HOST_ID, command, damaged()).change?.write).toMatchObject({
      to: 'removed',
      tombstone: { generation: 5 },
    });
  });
});

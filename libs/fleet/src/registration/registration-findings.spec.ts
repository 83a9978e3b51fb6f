import { describe, expect, it } from '@jest/globals';
import type { Enrolment } from '../enrolments/enrolment.js';
import { aProcessServer, aRelease, HOST_ID, msAfter, NOON, someFacts, TIMING } from '../testing/examples.js';
import { fixedVersionRules } from '../version/fixed-version-rules.js';
import type { ReleaseFlag } from '../version/release.js';
import { parseVersion, type Version } from '../version/version.js';
import { errorFinding, registrationFindings, secretFindings } from './registration-findings.js';
import type { Finding, RegistrationCommand, RegistrationPolicy } from './registration-command.js';

const OWN = parseVersion('9.63.7187.1') as Version;
const TERMS: RegistrationPolicy = {
  version: OWN,
  versions: fixedVersionRules(OWN),
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};

/** A command that is sent from the registered address. */
function aCommand(
  facts: Parameters<typeof someFacts>[0] = {},
  over: Partial<RegistrationCommand> = {},
): RegistrationCommand {
  return {
    hostId: HOST_ID,
    facts: someFacts(facts),
    sentAt: null,
    passphraseId: 'passphrase-2',
    enrolmentId: null,
    previousCredentialHash: null,
    actor: { name: 'process-server', address: facts.ipAddress ?? '192.0.2.11', requestId: 'request-9' },
    ...over,
  };
}

describe('registrationFindings', () => {
  const warned = (command: RegistrationCommand): string[] =>
    registrationFindings(command, NOON, [], TERMS).map(({ code }) => code);

  it.each([
    ['returns nothing for an ordinary registration', aCommand(), []],
    ['hardware below the sizing table', aCommand({ cpuCores: 3 }), ['below_sizing_table']],
    ['a hint for the oldest supported version', aCommand({ agentVersion: '9.59.0.0' }), ['update_available']],
    [
      'less than 8 GB of memory',
      aCommand({ memoryBytes: 7_999_999_999 }),
      ['below_sizing_table', 'memory_below_minimum'],
    ],
    ['no warning for 8 GB of memory', aCommand({ memoryBytes: 8_000_000_000 }), []],
    ['a version out of support', aCommand({ agentVersion: '9.58.0.0' }), ['version_not_supported']],
    ['the usual typing error of the data port', aCommand({ dataPort: 9433 }), ['unusual_data_port']],
    ['no warning for a clock a minute off', aCommand({}, { sentAt: msAfter(NOON, 60_000) }), []],
    ['a clock more than a minute ahead', aCommand({}, { sentAt: msAfter(NOON, 60_001) }), ['clock_skew']],
    ['a clock more than a minute behind', aCommand({}, { sentAt: msAfter(NOON, -60_001) }), ['clock_skew']],
    [
      'all of it',
      aCommand({ cpuCores: 3, agentVersion: '9.58.0.0', dataPort: 9433 }, { sentAt: msAfter(NOON, 120_000) }),
      ['below_sizing_table', 'version_not_supported', 'unusual_data_port', 'clock_skew'],
    ],
  ])('%s', (_case, command, codes) => {
    expect(warned(command)).toEqual(codes);
  });

  it.each([
    ['192.0.2.11', '192.0.2.11', []],
    ['192.0.2.11', '203.0.113.5', ['address_differs_from_source']],
    ['192.0.2.11', '2001:db8::5', []],
    ['2001:db8::5', '2001:db8::6', ['address_differs_from_source']],
    ['192.0.2.11', '127.0.0.1', []],
    ['127.0.0.1', '127.0.0.1', []],
    ['127.0.0.1', '192.0.2.11', ['loopback_address']],
    ['::1', '192.0.2.11', ['loopback_address']],
    ['169.254.7.7', '169.254.7.7', ['link_local_address']],
    ['fe80::1', '127.0.0.1', ['link_local_address']],
  ])('of the address %s with the source %s: %j', (ipAddress, address, codes) => {
    const command = aCommand({ ipAddress }, { actor: { name: 'process-server', address, requestId: 'r' } });
    expect(warned(command)).toEqual(codes);
  });

  it.each<[string, readonly ReleaseFlag[], string[]]>([
    ['9.62.0.0', ['Deprecated'], ['version_deprecated']],
    ['9.62.0.0', ['UpdateRequired', 'Deprecated'], ['version_update_required']],
    ['9.63.7187.1', ['SecurityUpdateRequired'], ['version_security_update_required']],
    ['9.63.7187.1', [], []],
    ['9.64.0.0', ['Deprecated'], []],
  ])('of the release %s with the flags %j: %j', (agentVersion, flags, codes) => {
    const release = aRelease({ version: parseVersion(agentVersion) as Version, flags });
    const terms = { ...TERMS, versions: fixedVersionRules(OWN, [release]) };
    expect(registrationFindings(aCommand({ agentVersion }), NOON, [], terms).map(({ code }) => code)).toEqual(codes);
  });

  it('lists the upgrade steps of an unsupported version', () => {
    const step = aRelease({ version: { major: 9, minor: 59, build: 3, revision: 0 } });
    const terms = { ...TERMS, versions: fixedVersionRules(OWN, [step]) };
    const [warning] = registrationFindings(aCommand({ agentVersion: '9.55.0.0' }), NOON, [], terms);
    expect(warning?.message).toContain('Upgrade to 9.59.3.0, then 9.63.7187.1.');
  });

  it('reports the amount and direction of a clock skew', () => {
    const message = (ms: number): string | undefined =>
      registrationFindings(aCommand({}, { sentAt: msAfter(NOON, ms) }), NOON, [], TERMS)[0]?.message;
    expect(message(120_000)).toContain('120 s ahead');
    expect(message(-120_000)).toContain('120 s behind');
  });

  it.each([
    ['address', { friendlyName: 'another', ipAddress: '192.0.2.11' }],
    ['name', { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.99' }],
    ['address and name', { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11' }],
    ['name', { friendlyName: 'PS-Berlin-1', ipAddress: '192.0.2.99' }],
    ['machine id', { friendlyName: 'another', ipAddress: '192.0.2.99', machineId: 'machine-1' }],
    [
      'address and name and machine id',
      { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11', machineId: 'machine-1' },
    ],
  ])('reports another entry with the same %s as a possible duplicate', (same, other) => {
    const [warning, ...others] = registrationFindings(
      aCommand(),
      NOON,
      [{ hostId: 'host-2', machineId: 'machine-2', ...other }],
      TERMS,
    );
    expect(others).toEqual([]);
    expect(warning).toMatchObject({ code: 'possible_duplicate', severity: 'warning' });
    expect(warning?.message).toContain('host-2');
    expect(warning?.message).toMatch(new RegExp(`the same ${same}[.]$`));
  });
});

describe('secretFindings', () => {
  const enrolment: Enrolment = {
    enrolmentId: 'enrolment-1',
    note: 'Berlin',
    createdAt: NOON,
    createdBy: 'anna',
    expiresAt: msAfter(NOON, 3_600_000),
    maxRegistrations: 3,
    registrations: 1,
    revokedAt: null,
    revokedBy: null,
  };
  const found = (over: Partial<Enrolment>, entry = null as ReturnType<typeof aProcessServer> | null): Finding[] =>
    secretFindings({ kind: 'enrolment', enrolment: { ...enrolment, ...over } }, someFacts(), entry, NOON);
  const registeredByIt = aProcessServer({ passphraseId: null, enrolmentId: 'enrolment-1' });

  it.each([
    ['is valid', {}, null, 'info enrolment_valid'],
    ['ends in a millisecond', { expiresAt: msAfter(NOON, 1) }, null, 'info enrolment_valid'],
    ['ends now', { expiresAt: NOON }, null, 'error enrolment_expired'],
    ['is used up', { registrations: 3 }, null, 'error enrolment_used_up'],
    ['is used up by this host', { registrations: 3 }, registeredByIt, 'info enrolment_valid'],
    ['is used up, and this host came by passphrase', { registrations: 3 }, aProcessServer(), 'error enrolment_used_up'],
    ['was used by this host and has expired', { expiresAt: NOON }, registeredByIt, 'error enrolment_expired'],
    ['is revoked', { revokedAt: NOON, revokedBy: 'anna' }, registeredByIt, 'error enrolment_revoked'],
  ] as const)('of an enrolment that %s: %#', (_case, over, entry, expected) => {
    expect(found(over, entry).map(({ severity, code, field }) => `${severity} ${code} ${field}`)).toEqual([
      `${expected} authorization`,
    ]);
  });

  it('give the expiry and the registrations left', () => {
    const until = 'The enrolment is valid until 2026-11-23T13:00:00.000Z';
    expect(found({})[0]?.message).toBe(`${until}, 2 of 3 registrations left.`);
    expect(found({ registrations: 3 }, registeredByIt)[0]?.message).toBe(
      `${until}, 0 of 3 registrations left; this one is not counted again.`,
    );
  });

  it.each([
    [null, []],
    [msAfter(NOON, 60_000), ['passphrase_retires']],
  ])('of a passphrase that retires at %s: %j', (retiresAt, codes) => {
    const findings = secretFindings({ kind: 'passphrase', retiresAt }, someFacts(), null, NOON);
    expect(findings.map(({ code }) => code)).toEqual(codes);
    expect(findings.every(({ message }) => message.includes('2026-11-23T12:01:00.000Z'))).toBe(true);
  });
});

describe('errorFinding', () => {
  it.each([
    ['agentVersion', { code: 'version_not_exact', upgradeFirst: 'process-server' }],
    ['dataPort', { code: 'invalid_data_port', dataPort: 443 }],
    ['sentAt', { code: 'clock_in_future', aheadSeconds: 901 }],
    ['hostId', { code: 'host_id_conflict', registeredAddress: '192.0.2.1', otherAddress: '192.0.2.2' }],
  ] as const)('concerns %s: %j', (field, details) => {
    const finding = errorFinding(details);
    expect(finding).toMatchObject({ code: details.code, severity: 'error', field });
    expect(finding.message).not.toBe('');
  });
});

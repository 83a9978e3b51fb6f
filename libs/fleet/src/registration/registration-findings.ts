import { enrolmentError, enrolmentStateAt, isRepetition, type Enrolment } from '../enrolments/enrolment.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { PossibleDuplicate } from '../ports.js';
import type { IdentityFacts, ProcessServer, ProcessServerFacts } from '../process-server.js';
import { findUpgradePath } from '../version/upgrade-path.js';
import { upgradeHint } from '../version/version-policy.js';
import { compareVersions, formatVersion, parseVersion, type Version, type VersionStatus } from '../version/version.js';
import type { VersionRules } from '../version/version-rules.js';
import { nameKey } from './name.js';
import type { Finding, RegistrationCommand, RegistrationPolicy } from './registration-command.js';
import { GIGABYTE, sizingClassOf } from './sizing.js';

const CLOCK_TOLERANCE_MS = 60_000;
/** A frequent typing error for 9443. */
const MISTYPED_DATA_PORT = 9433;
const MIN_MEMORY_BYTES = 8 * GIGABYTE;

/** The secret that a preflight used. */
export type PresentedSecret =
  | { readonly kind: 'passphrase'; readonly retiresAt: Date | null }
  | { readonly kind: 'enrolment'; readonly enrolment: Enrolment };

const FIELD_BY_CODE: Partial<Record<FleetErrorDetails['code'], string>> = {
  version_newer_than_configuration_server: 'agentVersion',
  version_not_exact: 'agentVersion',
  invalid_data_port: 'dataPort',
  clock_in_future: 'sentAt',
  enrolment_expired: 'authorization',
  enrolment_revoked: 'authorization',
  enrolment_used_up: 'authorization',
};

/** A rejection as a finding; one that concerns no other field concerns the host id. */
export const errorFinding = (error: FleetErrorDetails): Finding => ({
  code: error.code,
  severity: 'error',
  field: FIELD_BY_CODE[error.code] ?? 'hostId',
  message: new FleetError(error).explanation,
});

/** The findings about the secret. `entry` is the current one of the host id. */
export function secretFindings(
  secret: PresentedSecret,
  { machineId }: Pick<IdentityFacts, 'machineId'>,
  entry: ProcessServer | null,
  now: Date,
): Finding[] {
  const of = (severity: Finding['severity'], code: string, message: string): Finding[] => [
    { code, severity, field: 'authorization', message },
  ];
  if (secret.kind === 'passphrase') {
    if (!secret.retiresAt) return [];
    return of(
      'warning',
      'passphrase_retires',
      `The passphrase was replaced; it is valid until ${secret.retiresAt.toISOString()}.`,
    );
  }
  const { enrolment } = secret;
  const { enrolmentId, expiresAt, maxRegistrations, registrations } = enrolment;
  const state = enrolmentStateAt(now, enrolment);
  const isRepeated = isRepetition(entry, { enrolmentId, machineId });
  const error = enrolmentError(now, enrolment);
  if (error && !(state === 'UsedUp' && isRepeated)) return [errorFinding(error)];
  const left = `${Math.max(0, maxRegistrations - registrations)} of ${maxRegistrations} registrations left`;
  const repeated = isRepeated ? '; this one is not counted again' : '';
  return of('info', 'enrolment_valid', `The enrolment is valid until ${expiresAt.toISOString()}, ${left}${repeated}.`);
}

/** The warnings and hints of a registration that is not rejected; they need no other entry than the possible duplicates. */
export function registrationFindings(
  { facts, sentAt, actor }: RegistrationCommand,
  now: Date,
  possibleDuplicates: readonly PossibleDuplicate[],
  policy: RegistrationPolicy,
): Finding[] {
  const findings: Finding[] = [];
  const add = (severity: 'warning' | 'info', field: string, code: string, message: string): void =>
    void findings.push({ code, severity, field, message });
  if (sizingClassOf(facts) === 'BelowTable') {
    const message = 'The hardware is below the smallest supported size: 4 cores, 8 GB memory, 300 GB cache disk.';
    add('warning', 'hardware', 'below_sizing_table', message);
  }
  if (facts.memoryBytes < MIN_MEMORY_BYTES)
    add('warning', 'memoryBytes', 'memory_below_minimum', 'A process server needs at least 8 GB of memory.');
  const versionFinding = findingOfVersion(facts, now, policy);
  if (versionFinding) findings.push(versionFinding);
  if (facts.dataPort === MISTYPED_DATA_PORT)
    add('warning', 'dataPort', 'unusual_data_port', 'Data port 9433 is often a typing error for 9443.');
  const skewMs = sentAt ? sentAt.getTime() - now.getTime() : 0;
  if (Math.abs(skewMs) > CLOCK_TOLERANCE_MS) {
    const skew = `${Math.abs(Math.round(skewMs / 1000))} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
    add('warning', 'sentAt', 'clock_skew', `The process server's clock is ${skew}.`);
  }
  const address = addressFinding(facts.ipAddress, actor.address);
  if (address) add('warning', 'ipAddress', ...address);
  for (const other of possibleDuplicates) {
    const shared = inCommon(other, facts);
    const message = `Host id ${other.hostId} (${other.friendlyName}, ${other.ipAddress}) has the same ${shared.map(([, name]) => name).join(' and ')}.`;
    add('warning', shared[0]?.[0] ?? 'hostId', 'possible_duplicate', message);
  }
  return findings;
}

const VERSION_WARNINGS: Record<Exclude<VersionStatus, 'Supported'>, readonly [code: string, meaning: string]> = {
  NotSupported: ['version_not_supported', 'is out of support'],
  Deprecated: ['version_deprecated', 'is deprecated'],
  UpdateRequired: ['version_update_required', 'requires an update'],
  SecurityUpdateRequired: ['version_security_update_required', 'requires a security update'],
};

/** Null for a version that is newer than ours: that is an error, and no finding about its support. */
function findingOfVersion(
  { agentVersion, osType }: ProcessServerFacts,
  now: Date,
  { version: own, versions }: RegistrationPolicy,
): Finding | null {
  const version = parseVersion(agentVersion);
  if (!version || compareVersions(version, own) > 0) return null;
  const isOlder = compareVersions(version, own) < 0;
  const { status } = versions.known.verdictOf(agentVersion, osType, now);
  if (status !== 'Supported') {
    const [code, meaning] = VERSION_WARNINGS[status];
    const upgrade = isOlder ? ` Upgrade to ${upgradeTo(own, version, osType, versions.known)}.` : '';
    return {
      code,
      severity: 'warning',
      field: 'agentVersion',
      message: `Version ${agentVersion} ${meaning}.${upgrade}`,
    };
  }
  if (!isOlder) return null;
  const message = `Version ${formatVersion(own)} is available.`;
  return { code: 'update_available', severity: 'info', field: 'agentVersion', message };
}

const upgradeTo = (target: Version, from: Version, osType: string, rules: VersionRules): string =>
  upgradeHint(target, findUpgradePath(from, target, { component: 'ProcessServer', osType }, rules));

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');
const isLinkLocal = (address: string): boolean => /^(169\.254\.|fe[89ab][0-9a-f]:)/.test(address);
const isSameFamily = (one: string, other: string): boolean => one.includes(':') === other.includes(':');

/** A caller on this machine has a loopback source address, and one with two protocols has two addresses: neither shows a translation. */
function addressFinding(registered: string, source: string): [code: string, message: string] | null {
  if (isLinkLocal(registered))
    return [
      'link_local_address',
      `${registered} is valid on its own network link only: protected machines cannot reach it.`,
    ];
  if (isLoopback(source)) return null;
  if (isLoopback(registered))
    return ['loopback_address', `${registered} is valid on its own machine only: protected machines cannot reach it.`];
  if (registered === source || !isSameFamily(registered, source)) return null;
  return [
    'address_differs_from_source',
    `The call came from ${source}, not from ${registered}: an address translation or a proxy is between. Process servers behind an address translation are not supported.`,
  ];
}

const inCommon = (one: IdentityFacts, other: IdentityFacts): [field: string, name: string][] => [
  ...(one.ipAddress === other.ipAddress ? [['ipAddress', 'address'] as [string, string]] : []),
  ...(nameKey(one.friendlyName) === nameKey(other.friendlyName) ? [['friendlyName', 'name'] as [string, string]] : []),
  ...(one.machineId === other.machineId ? [['machineId', 'machine id'] as [string, string]] : []),
];

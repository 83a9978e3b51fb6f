import type {
  ApiKeyDto,
  EnrolmentDto,
  PassphraseDto,
  ProcessServerCapacity,
  ProcessServerReadiness,
  ReleaseDto,
} from '@app/api-contract';
import type { ListView } from './output/printer.js';
import { styleOf } from './views.js';

export const API_KEYS: ListView<ApiKeyDto> = {
  columns: [
    { header: 'NAME', cell: ({ name }) => name, cut: true },
    { header: 'ROLE', cell: ({ role }) => role },
    { header: 'PREFIX', cell: ({ prefix }) => prefix, drop: 3 },
    { header: 'EXPIRES', cell: ({ expiresAt }) => expiresAt ?? 'never', drop: 2 },
    { header: 'REVOKED', cell: ({ revokedAt }) => revokedAt, style: ({ revokedAt }) => (revokedAt ? 'red' : null) },
    { header: 'LAST USED', cell: ({ lastUsedAt }) => lastUsedAt ?? 'never', drop: 4 },
    { header: 'KEY ID', cell: ({ keyId }) => keyId, drop: 5 },
    { header: 'CREATED', cell: ({ createdAt }) => createdAt, wide: true },
    { header: 'CREATED BY', cell: ({ createdBy }) => createdBy, wide: true },
  ],
  name: ({ keyId }) => keyId,
  empty: 'There is no API key.',
};

export const PASSPHRASES: ListView<PassphraseDto> = {
  columns: [
    { header: 'PASSPHRASE ID', cell: ({ passphraseId }) => passphraseId },
    { header: 'CREATED', cell: ({ createdAt }) => createdAt, drop: 1 },
    { header: 'RETIRES', cell: ({ retiresAt }) => retiresAt ?? 'current' },
  ],
  name: ({ passphraseId }) => passphraseId,
  empty: 'There is no passphrase.',
};

export const ENROLMENTS: ListView<EnrolmentDto> = {
  columns: [
    { header: 'NOTE', cell: ({ note }) => note, cut: true },
    { header: 'STATE', cell: ({ state }) => state, style: ({ state }) => (state === 'Active' ? 'green' : 'yellow') },
    {
      header: 'REGISTRATIONS',
      cell: ({ registrations, maxRegistrations }) => `${registrations} of ${maxRegistrations}`,
      drop: 2,
    },
    { header: 'EXPIRES', cell: ({ expiresAt }) => expiresAt, drop: 1 },
    { header: 'ENROLMENT ID', cell: ({ enrolmentId }) => enrolmentId, drop: 3 },
    { header: 'CREATED', cell: ({ createdAt }) => createdAt, wide: true },
    { header: 'CREATED BY', cell: ({ createdBy }) => createdBy, wide: true },
    { header: 'REVOKED', cell: ({ revokedAt }) => revokedAt, wide: true },
    { header: 'REVOKED BY', cell: ({ revokedBy }) => revokedBy, wide: true },
  ],
  name: ({ enrolmentId }) => enrolmentId,
  empty: 'There is no enrolment.',
};

const amount = (value: number | null): string => (value === null ? 'unknown' : String(value));

export const CAPACITIES: ListView<ProcessServerCapacity> = {
  columns: [
    { header: 'NAME', cell: ({ friendlyName }) => friendlyName, cut: true },
    { header: 'CLASS', cell: ({ sizingClass }) => sizingClass, drop: 3 },
    {
      header: 'MACHINES',
      cell: ({ reported, limits }) => `${amount(reported.protectedMachineCount)} of ${limits.protectedMachineCount}`,
      drop: 1,
    },
    {
      header: 'CHURN BYTES/DAY',
      cell: ({ reported, limits }) => `${amount(reported.churnBytesPerDay)} of ${limits.churnBytesPerDay}`,
      drop: 4,
    },
    { header: 'BEYOND CLASS', cell: ({ beyondClass }) => (beyondClass ? 'yes' : 'no'), drop: 5 },
    { header: 'PLACE', cell: ({ isPlace }) => (isPlace ? 'yes' : 'no') },
    { header: 'WHY NOT', cell: ({ noPlaceReasons }) => noPlaceReasons.join(','), drop: 2 },
    { header: 'HOST ID', cell: ({ hostId }) => hostId, drop: 6 },
    { header: 'ROOM MACHINES', cell: ({ room }) => amount(room.protectedMachineCount), wide: true },
    { header: 'ROOM CHURN', cell: ({ room }) => amount(room.churnBytesPerDay), wide: true },
    { header: 'BEYOND MACHINES', cell: ({ beyondClass }) => beyondClass?.protectedMachineCount ?? null, wide: true },
    { header: 'BEYOND CHURN', cell: ({ beyondClass }) => beyondClass?.churnBytesPerDay ?? null, wide: true },
  ],
  name: ({ hostId }) => hostId,
  empty: 'There is no process server.',
};

export const UPGRADES: ListView<ProcessServerReadiness> = {
  columns: [
    { header: 'NAME', cell: ({ friendlyName }) => friendlyName, cut: true },
    { header: 'VERSION', cell: ({ agentVersion }) => agentVersion },
    { header: 'READINESS', cell: ({ readiness }) => readiness },
    { header: 'UPGRADE PATH', cell: ({ upgradePath }) => upgradePath.join(' '), drop: 2 },
    { header: 'BLOCKED BY', cell: ({ upgradeBlockReason }) => upgradeBlockReason, drop: 1 },
    {
      header: 'STATUS',
      cell: ({ versionStatus }) => versionStatus,
      style: ({ versionStatus }) => styleOf(versionStatus),
      drop: 3,
    },
    { header: 'LEAVES SUPPORT SOON', cell: (item) => (item.leavesSupportSoon ? 'yes' : 'no'), drop: 4 },
    { header: 'HOST ID', cell: ({ hostId }) => hostId, drop: 5 },
    { header: 'OS', cell: ({ osType }) => osType, wide: true },
    { header: 'EXPIRES', cell: ({ agentExpiryDate }) => agentExpiryDate, wide: true },
  ],
  name: ({ hostId }) => hostId,
  empty: 'There is no process server.',
};

export const RELEASES: ListView<ReleaseDto> = {
  columns: [
    { header: 'COMPONENT', cell: ({ component }) => component },
    { header: 'OS', cell: ({ osType }) => osType },
    { header: 'VERSION', cell: ({ version }) => version },
    { header: 'FLAGS', cell: ({ flags }) => flags.join(','), drop: 2 },
    { header: 'SUPPORT ENDS', cell: ({ supportEndsAt }) => supportEndsAt, drop: 1 },
    { header: 'RELEASED', cell: ({ releasedAt }) => releasedAt, wide: true },
    { header: 'BYTES', cell: ({ sizeBytes }) => sizeBytes, wide: true },
    { header: 'DOWNLOAD URL', cell: ({ downloadUrl }) => downloadUrl, wide: true },
    { header: 'PACKAGE FILE', cell: ({ packageFile }) => packageFile, wide: true },
    { header: 'SHA-256', cell: ({ sha256 }) => sha256, wide: true },
  ],
  name: ({ component, osType, version }) => `${component}/${osType}/${version}`,
  empty: 'The catalogue has no such release.',
};

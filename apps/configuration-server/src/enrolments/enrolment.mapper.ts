import {
  enrolmentStateAt,
  formatVersion,
  installCommand,
  type Enrolment,
  type IssuedEnrolment,
  type Release,
} from '@app/fleet';
import type { ConnectionDto, EnrolmentDto, EnrolmentFile, PackageDto } from '@app/api-contract';

export const toEnrolmentDto = (enrolment: Enrolment, now: Date): EnrolmentDto => ({
  enrolmentId: enrolment.enrolmentId,
  note: enrolment.note,
  state: enrolmentStateAt(now, enrolment),
  createdAt: enrolment.createdAt.toISOString(),
  createdBy: enrolment.createdBy,
  expiresAt: enrolment.expiresAt.toISOString(),
  maxRegistrations: enrolment.maxRegistrations,
  registrations: enrolment.registrations,
  revokedAt: enrolment.revokedAt?.toISOString() ?? null,
  revokedBy: enrolment.revokedBy,
});

/** A package that this server sends itself has the URL of its first address. */
export function toPackageDto(release: Release, { addresses, port, tls }: ConnectionDto): PackageDto {
  const { component, osType, sizeBytes, sha256, downloadUrl } = release;
  const version = formatVersion(release.version);
  const [address = ''] = addresses;
  const origin = `${tls ? 'https' : 'http'}://${address.includes(':') ? `[${address}]` : address}:${port}`;
  const url = downloadUrl ?? new URL(`/v1/releases/${component}/${osType}/${version}/package`, origin).href;
  return { osType, version, url, sizeBytes, sha256 };
}

export const toEnrolmentFile = (
  { enrolment, siteId, token }: IssuedEnrolment,
  connection: ConnectionDto,
  requiredVersion: string,
  packages: PackageDto[],
): EnrolmentFile => ({
  format: 1,
  siteId,
  enrolmentId: enrolment.enrolmentId,
  ...connection,
  requiredVersion,
  packages,
  command: installCommand(connection.addresses[0] ?? '', connection.port),
  expiresAt: enrolment.expiresAt.toISOString(),
  token,
});

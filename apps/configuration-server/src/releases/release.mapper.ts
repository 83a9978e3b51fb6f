import { formatVersion, sortedFlags, type Release, type ReleaseKey } from '@app/fleet';
import type { ReleaseDto, ReleaseRequest } from '@app/api-contract';
import { RequestProblem } from '../problems/request-problem.js';

export const toReleaseDto = (release: Release): ReleaseDto => ({
  component: release.component,
  osType: release.osType,
  version: formatVersion(release.version),
  releasedAt: release.releasedAt.toISOString(),
  supportEndsAt: release.supportEndsAt.toISOString(),
  flags: [...release.flags],
  sizeBytes: release.sizeBytes,
  sha256: release.sha256,
  downloadUrl: release.downloadUrl,
  packageFile: release.packageFile,
});

/** @throws RequestProblem `validation_failed` unless the package has exactly one place. */
export function toRelease(key: ReleaseKey, body: ReleaseRequest): Release {
  const { downloadUrl = null, packageFile = null } = body;
  if ((downloadUrl === null) === (packageFile === null))
    throw RequestProblem.field('downloadUrl', 'exactly one of downloadUrl and packageFile is required');
  return {
    ...key,
    releasedAt: new Date(body.releasedAt),
    supportEndsAt: new Date(body.supportEndsAt),
    flags: sortedFlags(body.flags ?? []),
    sizeBytes: body.sizeBytes,
    sha256: body.sha256.toLowerCase(),
    downloadUrl,
    packageFile,
  };
}

import type { Release, ReleaseOsType } from '../version/release.js';
import { compareVersions, type Version } from '../version/version.js';

/**
 * The newest process server release for this operating system that may register and is in support now, in a catalogue in any order; null
 * if there is none.
 */
export function newestInstallable(
  releases: readonly Release[],
  configurationServer: Version,
  osType: ReleaseOsType,
  now: Date,
): Release | null {
  let newest: Release | null = null;
  for (const release of releases) {
    if (release.component !== 'ProcessServer' || release.osType !== osType) continue;
    if (compareVersions(release.version, configurationServer) > 0) continue;
    if (release.releasedAt > now || release.supportEndsAt <= now) continue;
    if (!newest || compareVersions(release.version, newest.version) > 0) newest = release;
  }
  return newest;
}

/** The command of the agent that registers a machine with an enrolment file. */
export const installCommand = (address: string, port: number): string =>
  `process-server install --cs-address ${address} --cs-port ${port} --enrolment-file enrolment.json`;

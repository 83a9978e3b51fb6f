import { findUpgradePath, type UpgradePath } from './upgrade-path.js';
import type { VersionRules } from './version-rules.js';
import { compareVersions, formatVersion, SUPPORTED_MINORS, type Version, type VersionPolicy } from './version.js';

/** The versions to install, e.g. `9.20.0.0, then 9.24.0.0`. */
export function upgradeHint(target: Version, { steps, blockedBy }: UpgradePath): string {
  if (blockedBy === null) return steps.join(', then ');
  return `${formatVersion(target)}, in steps of at most ${SUPPORTED_MINORS} minors; the release catalogue does not have the steps`;
}

/** The reason to reject a version, or null. Versions older than the support window are accepted, as NotSupported. */
export function checkVersion(
  version: Version,
  osType: string,
  rules: VersionRules,
  policy: VersionPolicy,
): {
  readonly code: 'version_newer_than_configuration_server' | 'version_not_exact';
  readonly upgradeFirst: string;
} | null {
  const { configurationServer } = rules;
  const comparison = compareVersions(version, configurationServer);
  if (comparison > 0) {
    const path = findUpgradePath(configurationServer, version, { component: 'ConfigurationServer' }, rules);
    return {
      code: 'version_newer_than_configuration_server',
      upgradeFirst: `Upgrade the configuration server first: to ${upgradeHint(version, path)}.`,
    };
  }
  if (comparison < 0 && policy === 'exact') {
    const path = findUpgradePath(version, configurationServer, { component: 'ProcessServer', osType }, rules);
    return {
      code: 'version_not_exact',
      upgradeFirst: `Upgrade the process server first: to ${upgradeHint(configurationServer, path)}.`,
    };
  }
  return null;
}

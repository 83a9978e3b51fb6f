/** A product version `major.minor.build.revision`, each part 0 to 65,535. Compared numerically, never as text. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
  readonly revision: number;
}

export type VersionStatus = 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

/** `same-or-earlier` rejects a process server newer than the configuration server; `exact` rejects any other version. */
export type VersionPolicy = 'same-or-earlier' | 'exact';

/** The support window: the current version and the four minors before it. An upgrade step spans at most four minors. */
export const SUPPORTED_MINORS = 4;
const MAX_PART = 65_535;

/** The maximum number of cached versions; a fleet has few versions and reports them often. */
const MAX_CACHED = 256;
const cache = new Map<string, Version | null>();

/** Parses four parts, e.g. `9.63.7187.1`; leading zeros are dropped. Null when the text is not a version. */
export function parseVersion(text: string): Version | null {
  let version = cache.get(text);
  if (version === undefined) {
    version = readVersion(text);
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(text, version);
  }
  return version;
}

function readVersion(text: string): Version | null {
  const match = /^(\d{1,5})\.(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/.exec(text);
  if (!match) return null;
  const [major, minor, build, revision] = match.slice(1).map(Number) as [number, number, number, number];
  return Math.max(major, minor, build, revision) > MAX_PART ? null : { major, minor, build, revision };
}

export function formatVersion({ major, minor, build, revision }: Version): string {
  return `${major}.${minor}.${build}.${revision}`;
}

/** The version without leading zeros; a text that is not a version stays as it is. */
export function canonicalVersion(text: string): string {
  const version = parseVersion(text);
  return version ? formatVersion(version) : text;
}

/** Sixteen hex digits that sort in the order of versions, so that a store can compare and index them. */
export function versionKey({ major, minor, build, revision }: Version): string {
  return [major, minor, build, revision].map((part) => part.toString(16).padStart(4, '0')).join('');
}

/** Negative when `a` is earlier than `b`, positive when later. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.build - b.build || a.revision - b.revision;
}

/** The earliest supported version for `newest`: four minors back, within its major. */
export function earliestSupported({ major, minor }: Version): Version {
  return { major, minor: Math.max(0, minor - SUPPORTED_MINORS), build: 0, revision: 0 };
}

/**
 * The versions to install in order to upgrade from `from` to `to`: steps of at most four minors, e.g. 9.16 to 9.24
 * through 9.20. Between majors the path is the target alone.
 */
export function upgradePath(from: Version, to: Version): string[] {
  const steps: string[] = [];
  if (from.major === to.major) {
    for (let minor = from.minor + SUPPORTED_MINORS; minor < to.minor; minor += SUPPORTED_MINORS)
      steps.push(`${to.major}.${minor}`);
  }
  return [...steps, formatVersion(to)];
}

/** The reason to reject a version, or null. Versions older than the support window are accepted, as NotSupported. */
export function checkVersion(
  version: Version,
  configurationServer: Version,
  policy: VersionPolicy,
): {
  readonly code: 'version_newer_than_configuration_server' | 'version_not_exact';
  readonly upgradeFirst: string;
} | null {
  const comparison = compareVersions(version, configurationServer);
  if (comparison > 0) {
    const path = upgradePath(configurationServer, version).join(', then ');
    return {
      code: 'version_newer_than_configuration_server',
      upgradeFirst: `Upgrade the configuration server first: to ${path}.`,
    };
  }
  if (comparison < 0 && policy === 'exact') {
    const path = upgradePath(version, configurationServer).join(', then ');
    return { code: 'version_not_exact', upgradeFirst: `Upgrade the process server first: to ${path}.` };
  }
  return null;
}

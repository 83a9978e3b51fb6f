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

/** The version of a key; null if it is empty, which stands for a text that is not a version. */
export function parseVersionKey(key: string): Version | null {
  if (key === '') return null;
  const [major = 0, minor = 0, build = 0, revision = 0] = [0, 4, 8, 12].map((start) =>
    Number.parseInt(key.slice(start, start + 4), 16),
  );
  return { major, minor, build, revision };
}

/** Negative when `a` is earlier than `b`, positive when later. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.build - b.build || a.revision - b.revision;
}

/** The earliest supported version for `newest`: four minors back, within its major. */
export function earliestSupported({ major, minor }: Version): Version {
  return { major, minor: Math.max(0, minor - SUPPORTED_MINORS), build: 0, revision: 0 };
}

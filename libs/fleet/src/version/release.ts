import { callerAuthor, type FleetEvent } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import type { Actor } from '../process-server.js';
import { compareVersions, formatVersion, type Version } from './version.js';

export const RELEASE_COMPONENTS = ['ProcessServer', 'ConfigurationServer', 'MobilityService'] as const;
export type ReleaseComponent = (typeof RELEASE_COMPONENTS)[number];
export const RELEASE_OS_TYPES = ['Windows', 'Linux'] as const;
export type ReleaseOsType = (typeof RELEASE_OS_TYPES)[number];
/** The operating system of a process server's releases; empty if there are none for it. */
export type OsKey = ReleaseOsType | '';
/** From the most to the least severe. */
export const RELEASE_FLAGS = ['SecurityUpdateRequired', 'UpdateRequired', 'Deprecated'] as const;
export type ReleaseFlag = (typeof RELEASE_FLAGS)[number];

/** The maximum number of releases in a catalogue: every replica keeps all of them in memory. */
export const MAX_RELEASES = 1_000;

export interface ReleaseKey {
  readonly component: ReleaseComponent;
  readonly osType: ReleaseOsType;
  readonly version: Version;
}

export interface ReleaseFacts {
  readonly releasedAt: Date;
  /** The release is supported before this time, not at it. */
  readonly supportEndsAt: Date;
  /** The most severe first. */
  readonly flags: readonly ReleaseFlag[];
  readonly sizeBytes: number;
  /** Of the package, 64 hex digits in lower case. */
  readonly sha256: string;
  /** Null for a package that this server sends itself. */
  readonly downloadUrl: string | null;
  /** The name of a file in the packages directory; null for a package elsewhere. */
  readonly packageFile: string | null;
}

export interface Release extends ReleaseKey, ReleaseFacts {}

/** The input of a decision, while no other transaction changes the catalogue. */
export interface ReleaseSnapshot {
  /** The release that the decision concerns; null if the catalogue does not have it. */
  readonly release: Release | null;
  /** The number of releases in the catalogue. */
  readonly count: number;
}

/** The result, and unless nothing changes, the new release (null to remove it) with its single event. */
export interface ReleaseDecision<A> {
  readonly result: A;
  readonly change?: {
    readonly release: Release | null;
    readonly event: Omit<FleetEvent, 'id' | 'at' | 'hostId' | 'generation'>;
  };
}

/** Classifies the registered operating system, a free text that is compared regardless of case. */
export const osKeyOf = (osType: string): OsKey =>
  RELEASE_OS_TYPES.find((name) => name.toLowerCase() === osType.toLowerCase()) ?? '';

/** Sorts the flags by severity, without repetitions. */
export const sortedFlags = (flags: readonly ReleaseFlag[]): ReleaseFlag[] =>
  RELEASE_FLAGS.filter((flag) => flags.includes(flag));

/** Orders releases by component, operating system and version. */
export const compareReleases = (a: ReleaseKey, b: ReleaseKey): number =>
  RELEASE_COMPONENTS.indexOf(a.component) - RELEASE_COMPONENTS.indexOf(b.component) ||
  RELEASE_OS_TYPES.indexOf(a.osType) - RELEASE_OS_TYPES.indexOf(b.osType) ||
  compareVersions(a.version, b.version);

const toDetail = ({ releasedAt, supportEndsAt, ...facts }: ReleaseFacts): Record<string, unknown> => ({
  releasedAt: releasedAt.toISOString(),
  supportEndsAt: supportEndsAt.toISOString(),
  ...facts,
});

const factsOf = ({
  releasedAt,
  supportEndsAt,
  flags,
  sizeBytes,
  sha256,
  downloadUrl,
  packageFile,
}: Release): ReleaseFacts => ({ releasedAt, supportEndsAt, flags, sizeBytes, sha256, downloadUrl, packageFile });

const keyDetail = ({ component, osType, version }: ReleaseKey): Record<string, unknown> => ({
  component,
  osType,
  version: formatVersion(version),
});

/** @throws FleetError `support_end_not_after_release`. */
export function assertSupportPeriodValid({
  releasedAt,
  supportEndsAt,
}: Pick<ReleaseFacts, 'releasedAt' | 'supportEndsAt'>): void {
  if (supportEndsAt <= releasedAt) throw new FleetError({ code: 'support_end_not_after_release' });
}

/**
 * Adds a release or replaces its facts; the same facts again change nothing. The result is whether the release is new.
 * @throws FleetError `support_end_not_after_release`, `release_catalogue_full`.
 */
export function putRelease(
  release: Release,
  actor: Actor,
  { release: before, count }: ReleaseSnapshot,
): ReleaseDecision<{ readonly isNew: boolean }> {
  assertSupportPeriodValid(release);
  const after = toDetail(factsOf(release));
  if (!before) {
    if (count >= MAX_RELEASES) throw new FleetError({ code: 'release_catalogue_full', max: MAX_RELEASES });
    const detail = { ...keyDetail(release), ...after };
    return {
      result: { isNew: true },
      change: { release, event: { kind: 'release_added', ...callerAuthor(actor), detail } },
    };
  }
  const earlier = toDetail(factsOf(before));
  const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(earlier[name]));
  if (changed.length === 0) return { result: { isNew: false } };
  const changes = Object.fromEntries(changed.map((name) => [name, { from: earlier[name], to: after[name] }]));
  const detail = { ...keyDetail(release), changes };
  return {
    result: { isNew: false },
    change: { release, event: { kind: 'release_changed', ...callerAuthor(actor), detail } },
  };
}

/** Removes a release from the catalogue. @throws FleetError `release_not_found`. */
export function removeRelease(key: ReleaseKey, actor: Actor, { release }: ReleaseSnapshot): ReleaseDecision<Release> {
  if (!release) throw new FleetError({ code: 'release_not_found' });
  const detail = { ...keyDetail(key), ...toDetail(factsOf(release)) };
  return {
    result: release,
    change: { release: null, event: { kind: 'release_removed', ...callerAuthor(actor), detail } },
  };
}

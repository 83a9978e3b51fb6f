import { osKeyOf, type Release, type ReleaseComponent } from './release.js';
import { compareVersions, formatVersion, SUPPORTED_MINORS, type Version } from './version.js';
import type { VersionRules } from './version-rules.js';

export type UpgradeBlock =
  /** The installed version is newer than the target. */
  | 'NewerThanTarget'
  /** The catalogue has no release that is near enough to continue. */
  | 'NoIntermediateRelease'
  /** The catalogue does not have the releases between the two majors. */
  | 'UnknownAcrossMajor';

/** The versions to install in order, the target last; empty if there is nothing to do, or if the upgrade is blocked. */
export interface UpgradePath {
  readonly steps: readonly string[];
  readonly blockedBy: UpgradeBlock | null;
}

const blocked = (blockedBy: UpgradeBlock): UpgradePath => ({ steps: [], blockedBy });

/** What is upgraded: releases of the same component and operating system are its steps. */
export interface UpgradedProduct {
  readonly component: ReleaseComponent;
  /** As registered. Not given: releases of any operating system are steps. */
  readonly osType?: string;
}

/**
 * The path from a version to a target: direct from at most four minors before it, otherwise over releases of the product, each at most
 * four minors after the one before. The target itself needs no release.
 */
export function findUpgradePath(
  from: Version,
  target: Version,
  { component, osType }: UpgradedProduct,
  rules: VersionRules,
): UpgradePath {
  const comparison = compareVersions(from, target);
  if (comparison > 0) return blocked('NewerThanTarget');
  if (comparison === 0) return { steps: [], blockedBy: null };
  const osKey = osType === undefined ? null : osKeyOf(osType);
  const isStep = (release: Release): boolean =>
    release.component === component &&
    (osKey === null || release.osType === osKey) &&
    compareVersions(release.version, target) < 0;
  const stops = [...rules.releases.filter(isStep).map(({ version }) => version), target];
  const steps: string[] = [];
  for (let current = from; compareVersions(current, target) < 0;) {
    const next = farthest(current, stops, rules);
    if (!next)
      return blocked(rules.order.distance(current, target) === null ? 'UnknownAcrossMajor' : 'NoIntermediateRelease');
    steps.push(formatVersion(next));
    current = next;
  }
  return { steps, blockedBy: null };
}

/** The latest stop of a later minor within one step, or the target; null if there is none. */
function farthest(current: Version, stops: readonly Version[], { order }: VersionRules): Version | null {
  let found: Version | null = null;
  for (const stop of stops) {
    const distance = order.distance(current, stop);
    if (compareVersions(stop, current) <= 0 || distance === null || distance > SUPPORTED_MINORS) continue;
    if (!found || compareVersions(stop, found) > 0) found = stop;
  }
  return found;
}

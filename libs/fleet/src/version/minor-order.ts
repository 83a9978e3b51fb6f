import type { Release } from './release.js';
import type { Version } from './version.js';

/** A release line `major.minor`. */
export type Minor = Pick<Version, 'major' | 'minor'>;

const descending = (a: Minor, b: Minor): number => b.major - a.major || b.minor - a.minor;

/**
 * The order of the minors of the product. Within a major, minors are counted by their number. Across majors, the releases of the
 * catalogue decide; it must have releases of both majors and of those between.
 */
export class MinorOrder {
  /** The latest first. */
  private readonly minors: readonly Minor[];

  constructor(releases: readonly Pick<Release, 'component' | 'version'>[]) {
    const known = new Map<string, Minor>();
    for (const { component, version } of releases)
      if (component !== 'MobilityService')
        known.set(`${version.major}.${version.minor}`, { major: version.major, minor: version.minor });
    this.minors = [...known.values()].sort(descending);
  }

  /** The number of minors from the first known minor of the major of `version` to that of `version`; null if none is known. */
  countFromFirst({ major, minor }: Minor): number | null {
    const first = this.minors.findLast((known) => known.major === major && known.minor <= minor);
    return first ? minor - first.minor : null;
  }

  /** The known minors of earlier majors, the latest first, down to the first major without a release. */
  before(major: number): Minor[] {
    const found: Minor[] = [];
    for (const known of this.minors) {
      if (known.major >= major) continue;
      if (known.major < (found.at(-1)?.major ?? major) - 1) break;
      found.push(known);
    }
    return found;
  }

  /** The number of minors from `from` to a later version; 0 within a minor, null if the catalogue cannot tell. */
  distance(from: Minor, to: Minor): number | null {
    if (from.major === to.major) return to.minor - from.minor;
    const inLastMajor = this.countFromFirst(to);
    const earlier = this.before(to.major);
    const earliest = earlier.at(-1);
    if (inLastMajor === null || !earliest || descending(from, earliest) > 0) return null;
    return inLastMajor + 1 + earlier.filter((known) => descending(known, from) < 0).length;
  }
}

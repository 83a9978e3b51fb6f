import { MinorOrder } from './minor-order.js';
import { osKeyOf, type OsKey, type Release } from './release.js';
import {
  earliestSupported,
  parseVersion,
  SUPPORTED_MINORS,
  versionKey,
  type Version,
  type VersionStatus,
} from './version.js';

export type VersionStatusReason =
  | 'WithinSupport'
  | 'NewerThanConfigurationServer'
  | 'OutsideSupportWindow'
  | 'SupportEnded'
  | 'Flagged'
  /** The catalogue does not have the releases between the two majors. */
  | 'UnknownAcrossMajor';

export interface VersionVerdict {
  readonly status: VersionStatus;
  readonly reason: VersionStatusReason;
}

/** Version keys from `from` to `to`, both included. */
export interface KeyRange {
  readonly from: string;
  readonly to: string;
}

/** A version within the support window that has another status than Supported for these operating systems. */
export interface VersionException {
  readonly versionKey: string;
  readonly osKey: OsKey;
  readonly status: VersionStatus;
}

const SUPPORTED: VersionVerdict = { status: 'Supported', reason: 'WithinSupport' };
const notSupported = (reason: VersionStatusReason): VersionVerdict => ({ status: 'NotSupported', reason });
const releaseKey = (osKey: OsKey, key: string): string => `${osKey} ${key}`;

/**
 * The version status of process servers, by the version of the configuration server and one state of the catalogue. The stores
 * express the same ranges and exceptions in SQL.
 */
export class VersionRules {
  readonly order: MinorOrder;
  /** The support window: the range of our major, and the range of earlier majors if the window reaches them. */
  readonly window: readonly KeyRange[];
  private readonly ownKey: string;
  private readonly ownMajor: string;
  private readonly earlierReason: 'OutsideSupportWindow' | 'UnknownAcrossMajor';
  private readonly processServerReleases = new Map<string, Release>();

  constructor(
    readonly configurationServer: Version,
    readonly releases: readonly Release[],
  ) {
    this.order = new MinorOrder(releases);
    this.ownKey = versionKey(configurationServer);
    this.ownMajor = this.ownKey.slice(0, 4);
    for (const release of releases)
      if (release.component === 'ProcessServer')
        this.processServerReleases.set(releaseKey(release.osType, versionKey(release.version)), release);
    const own = { from: versionKey(earliestSupported(configurationServer)), to: this.ownKey };
    const { earliest, reason } = this.earlierMajors();
    this.earlierReason = reason;
    this.window = earliest === null ? [own] : [{ from: earliest, to: lastKeyBefore(configurationServer.major) }, own];
  }

  /** The verdict on a registered version, at this time. */
  verdictOf(agentVersion: string, osType: string, at: Date): VersionVerdict {
    const version = parseVersion(agentVersion);
    return this.verdict(version ? versionKey(version) : '', osKeyOf(osType), at);
  }

  /** The verdict on a version key, empty for a text that is not a version. */
  verdict(key: string, osKey: OsKey, at: Date): VersionVerdict {
    if (key > this.ownKey) return notSupported('NewerThanConfigurationServer');
    if (!this.window.some(({ from, to }) => key >= from && key <= to))
      return notSupported(key.slice(0, 4) < this.ownMajor ? this.earlierReason : 'OutsideSupportWindow');
    const release = this.processServerReleases.get(releaseKey(osKey, key));
    if (!release) return SUPPORTED;
    if (at >= release.supportEndsAt) return notSupported('SupportEnded');
    const [worst] = release.flags;
    return worst ? { status: worst, reason: 'Flagged' } : SUPPORTED;
  }

  /** Whether the status of this version differs between operating systems. */
  dependsOnOs(key: string, at: Date): boolean {
    const statuses = (['', 'Windows', 'Linux'] as const).map((osKey) => this.verdict(key, osKey, at).status);
    return statuses.some((status) => status !== statuses[0]);
  }

  /** The versions within the window that are not Supported at this time, by version. */
  exceptions(at: Date): VersionException[] {
    const found: VersionException[] = [];
    for (const { osType, version } of this.processServerReleases.values()) {
      const key = versionKey(version);
      const { status, reason } = this.verdict(key, osType, at);
      if (reason === 'SupportEnded' || reason === 'Flagged') found.push({ versionKey: key, osKey: osType, status });
    }
    return found.sort((a, b) => (a.versionKey < b.versionKey ? -1 : a.versionKey > b.versionKey ? 1 : 0));
  }

  /** The release of a registered version; null if the catalogue does not have it. */
  findRelease(agentVersion: string, osType: string): Release | null {
    const version = parseVersion(agentVersion);
    return (version && this.processServerReleases.get(releaseKey(osKeyOf(osType), versionKey(version)))) ?? null;
  }

  /** The first key of earlier majors in the window, and the reason of those before it. */
  private earlierMajors(): {
    readonly earliest: string | null;
    readonly reason: 'OutsideSupportWindow' | 'UnknownAcrossMajor';
  } {
    const inOwnMajor = this.order.countFromFirst(this.configurationServer);
    if (inOwnMajor === null) return { earliest: null, reason: 'UnknownAcrossMajor' };
    const remaining = SUPPORTED_MINORS - inOwnMajor - 1;
    if (remaining < 0) return { earliest: null, reason: 'OutsideSupportWindow' };
    const earlier = this.order.before(this.configurationServer.major);
    const isComplete = remaining < earlier.length;
    const minor = isComplete ? earlier[remaining] : earlier.at(-1);
    return {
      earliest: minor ? versionKey({ ...minor, build: 0, revision: 0 }) : null,
      reason: isComplete ? 'OutsideSupportWindow' : 'UnknownAcrossMajor',
    };
  }
}

const lastKeyBefore = (major: number): string => `${(major - 1).toString(16).padStart(4, '0')}${'f'.repeat(12)}`;

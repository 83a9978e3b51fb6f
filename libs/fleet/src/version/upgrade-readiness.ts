import type { Lifecycle } from '../process-server.js';
import { type OsKey, type ReleaseComponent } from './release.js';
import { findUpgradePath, type UpgradeBlock, type UpgradePath } from './upgrade-path.js';
import { compareVersions, formatVersion, type Version } from './version.js';
import type { VersionRules } from './version-rules.js';

/** Notice of the end of a support begins 60 days before it. */
export const SUPPORT_END_NOTICE_MS = 60 * 24 * 3_600_000;

/** A process server is never newer than its configuration server, and an agent never newer than its process server. */
export const UPGRADE_ORDER: readonly ReleaseComponent[] = ['ConfigurationServer', 'ProcessServer', 'MobilityService'];

export type Readiness = 'UpToDate' | 'Direct' | 'InSteps' | 'Blocked';
export type ReadinessBlock =
  | UpgradeBlock
  | 'Decommissioned'
  /** The configuration server must be upgraded before, and has no path to the target. */
  | 'ConfigurationServerBlocked';

export interface UpgradeReadiness {
  readonly readiness: Readiness;
  /** The versions to install in order, the target last. */
  readonly steps: readonly string[];
  readonly blockedBy: ReadinessBlock | null;
}

/** What the readiness of a process server follows from. */
export interface InstalledVersion {
  /** Null for a text that is not a version. */
  readonly version: Version | null;
  readonly osKey: OsKey;
  readonly lifecycle: Lifecycle;
}

/** Process servers of a release whose support ends soon. */
export interface LeavingRelease {
  readonly version: Version;
  readonly osKey: OsKey;
  readonly supportEndsAt: Date;
  readonly count: number;
}

export interface ReadinessSummary {
  readonly counts: Readonly<Record<Readiness, number>>;
  /** The earliest end first. */
  readonly leavingSupport: readonly LeavingRelease[];
}

/** The latest release of a server that is out and supported; the version of the configuration server if none is later. */
export function defaultUpgradeTarget({ configurationServer, releases }: VersionRules, at: Date): Version {
  let latest = configurationServer;
  for (const { component, version, releasedAt, supportEndsAt } of releases) {
    const isCandidate = component !== 'MobilityService' && releasedAt <= at && at < supportEndsAt;
    if (isCandidate && compareVersions(version, latest) > 0) latest = version;
  }
  return latest;
}

/** The readiness of a fleet for a target, at one time. */
export class ReadinessRules {
  readonly configurationServer: UpgradeReadiness;
  private readonly paths = new Map<string, UpgradePath>();

  constructor(
    private readonly rules: VersionRules,
    readonly target: Version,
    private readonly at: Date,
  ) {
    const path = findUpgradePath(rules.configurationServer, target, { component: 'ConfigurationServer' }, rules);
    this.configurationServer = path.blockedBy === 'NewerThanTarget' ? UP_TO_DATE : readinessOf(path);
  }

  readinessOf({ version, osKey, lifecycle }: InstalledVersion): UpgradeReadiness {
    if (lifecycle === 'Decommissioned') return blocked('Decommissioned');
    if (version === null) return blocked('UnknownAcrossMajor');
    const own = readinessOf(this.path(version, osKey));
    const isFirst = this.configurationServer.readiness === 'Blocked' && own.readiness !== 'UpToDate';
    return isFirst && own.blockedBy === null ? blocked('ConfigurationServerBlocked') : own;
  }

  /** The end of the support if it is due within the notice; null if it is later or unknown, or if the version is not supported anyway. */
  leavesSupportAt({ version, osKey, lifecycle }: InstalledVersion): Date | null {
    if (version === null || lifecycle === 'Decommissioned') return null;
    const text = formatVersion(version);
    const supportEndsAt = this.rules.findRelease(text, osKey)?.supportEndsAt ?? null;
    if (supportEndsAt === null || this.rules.verdictOf(text, osKey, this.at).status === 'NotSupported') return null;
    return supportEndsAt.getTime() - this.at.getTime() <= SUPPORT_END_NOTICE_MS ? supportEndsAt : null;
  }

  summary(fleet: readonly (InstalledVersion & { readonly count: number })[]): ReadinessSummary {
    const counts = { UpToDate: 0, Direct: 0, InSteps: 0, Blocked: 0 };
    const leavingSupport: LeavingRelease[] = [];
    for (const { count, ...installed } of fleet) {
      counts[this.readinessOf(installed).readiness] += count;
      const { version, osKey } = installed;
      const supportEndsAt = this.leavesSupportAt(installed);
      if (version && supportEndsAt && count > 0) leavingSupport.push({ version, osKey, supportEndsAt, count });
    }
    leavingSupport.sort(
      (a, b) => a.supportEndsAt.getTime() - b.supportEndsAt.getTime() || compareVersions(a.version, b.version),
    );
    return { counts, leavingSupport };
  }

  /** A fleet has few versions, and a path examines the whole catalogue. */
  private path(version: Version, osKey: OsKey): UpgradePath {
    const key = `${formatVersion(version)} ${osKey}`;
    let path = this.paths.get(key);
    if (!path) {
      path = findUpgradePath(version, this.target, { component: 'ProcessServer', osType: osKey }, this.rules);
      this.paths.set(key, path);
    }
    return path;
  }
}

const UP_TO_DATE: UpgradeReadiness = { readiness: 'UpToDate', steps: [], blockedBy: null };
const blocked = (blockedBy: ReadinessBlock): UpgradeReadiness => ({ readiness: 'Blocked', steps: [], blockedBy });

function readinessOf({ steps, blockedBy }: UpgradePath): UpgradeReadiness {
  if (blockedBy !== null) return blocked(blockedBy);
  if (steps.length === 0) return UP_TO_DATE;
  return { readiness: steps.length === 1 ? 'Direct' : 'InSteps', steps, blockedBy: null };
}

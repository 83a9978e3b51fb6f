import { IsOptional } from 'class-validator';
import { PageQuery } from './query.dto.js';
import { IsVersion } from './validators.js';

/** Query of GET /v1/fleet/upgrade-readiness. */
export class UpgradeReadinessParameters extends PageQuery {
  /**
   * The version to upgrade to, four numbers. Default: the latest supported release of the catalogue, or the version of the configuration
   * server if none is later.
   * @example '9.63.7187.1'
   */
  @IsOptional()
  @IsVersion()
  readonly target?: string;
}

/** Whether, and how, one server can be upgraded to the target. */
export class ReadinessDto {
  /** `Direct`: in one step; `InSteps`: over the releases in `upgradePath`. */
  readonly readiness!: 'UpToDate' | 'Direct' | 'InSteps' | 'Blocked';
  /**
   * The versions to install in order, the target last; empty if there is nothing to do, or if the upgrade is blocked.
   * @example ['9.62.0.0', '9.63.7187.1']
   */
  readonly upgradePath!: string[];
  /** Null unless blocked. `ConfigurationServerBlocked`: the configuration server must be upgraded before, and has no path to the target. */
  readonly upgradeBlockReason!:
    | 'NewerThanTarget'
    | 'NoIntermediateRelease'
    | 'UnknownAcrossMajor'
    | 'Decommissioned'
    | 'ConfigurationServerBlocked'
    | null;
}

export class ConfigurationServerReadiness extends ReadinessDto {
  readonly version!: string;
}

export class ProcessServerReadiness extends ReadinessDto {
  readonly hostId!: string;
  readonly friendlyName!: string;
  readonly osType!: string;
  readonly agentVersion!: string;
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  /** End of the support of its release, RFC 3339; null if the catalogue does not have the release. */
  readonly agentExpiryDate!: string | null;
  /** Whether it is supported now, and its support ends within 60 days. */
  readonly leavesSupportSoon!: boolean;
}

/** Numbers of process servers. */
export class ReadinessCounts {
  readonly UpToDate!: number;
  readonly Direct!: number;
  readonly InSteps!: number;
  readonly Blocked!: number;
}

/** A supported release whose support ends within 60 days, with the number of its process servers. */
export class LeavingReleaseDto {
  readonly version!: string;
  readonly osType!: 'Windows' | 'Linux';
  /** RFC 3339. */
  readonly supportEndsAt!: string;
  readonly processServerCount!: number;
}

/** One page of process servers, and the counts of all. */
export class UpgradeReadinessResponse {
  readonly target!: string;
  /** The components in the order of their upgrade. */
  readonly order!: ('ConfigurationServer' | 'ProcessServer' | 'MobilityService')[];
  readonly configurationServer!: ConfigurationServerReadiness;
  readonly counts!: ReadinessCounts;
  /** The earliest end first. */
  readonly leavingSupport!: LeavingReleaseDto[];
  readonly items!: ProcessServerReadiness[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

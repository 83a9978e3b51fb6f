import {
  defaultUpgradeTarget,
  formatVersion,
  lifecycleOf,
  osKeyOf,
  parseVersion,
  ReadinessRules,
  UPGRADE_ORDER,
  type ListedServer,
  type Moment,
  type UpgradeReadiness,
  type VersionRuleSource,
  type VersionRules,
} from '@app/fleet';
import type { UpgradeReadinessQuery } from '@app/fleet-mysql';
import type {
  ProcessServerReadiness,
  ReadinessDto,
  UpgradeReadinessParameters,
  UpgradeReadinessResponse,
} from '@app/api-contract';
import { decodeCursor, encodeCursor, isUuid, type Members } from './cursor-codec.js';

const DEFAULT_LIMIT = 100;

interface ReadinessCursor {
  readonly hostId: string;
}

const isReadinessCursor = ({ hostId }: Members<ReadinessCursor>): boolean => isUuid(hostId);

/** The readiness of the fleet for an upgrade. */
export class UpgradeReadinessQueries {
  constructor(
    private readonly reader: UpgradeReadinessQuery,
    private readonly versions: VersionRuleSource,
  ) {}

  /** @throws RequestProblem `invalid_cursor`. */
  async read({ limit = DEFAULT_LIMIT, cursor, target }: UpgradeReadinessParameters): Promise<UpgradeReadinessResponse> {
    const requested = target === undefined ? null : parseVersion(target);
    const query = { list: 'upgrade-readiness', target: requested && formatVersion(requested) };
    const after = decodeCursor<ReadinessCursor>(query, cursor, isReadinessCursor)?.hostId ?? '';
    const { items, next, asOf } = await this.reader.fetchPage(limit, after);
    const rules = await this.versions.current();
    const readiness = new ReadinessRules(rules, requested ?? defaultUpgradeTarget(rules, asOf.at), asOf.at);
    const { counts, leavingSupport } = readiness.summary(await this.reader.countVersions());
    return {
      target: formatVersion(readiness.target),
      order: [...UPGRADE_ORDER],
      configurationServer: {
        version: formatVersion(rules.configurationServer),
        ...toReadinessDto(readiness.configurationServer),
      },
      counts,
      leavingSupport: leavingSupport.map(({ version, osKey, supportEndsAt, count }) => ({
        version: formatVersion(version),
        osType: osKey as 'Windows' | 'Linux',
        supportEndsAt: supportEndsAt.toISOString(),
        processServerCount: count,
      })),
      items: items.map((server) => toProcessServerReadiness(server, readiness, rules, asOf)),
      nextCursor: next === null ? null : encodeCursor(query, { hostId: next } satisfies ReadinessCursor),
      asOf: asOf.at.toISOString(),
    };
  }
}

const toReadinessDto = ({ readiness, steps, blockedBy }: UpgradeReadiness): ReadinessDto => ({
  readiness,
  upgradePath: [...steps],
  upgradeBlockReason: blockedBy,
});

function toProcessServerReadiness(
  server: ListedServer,
  readiness: ReadinessRules,
  rules: VersionRules,
  { at }: Moment,
): ProcessServerReadiness {
  const { friendlyName, agentVersion, osType } = server.facts;
  const installed = { version: parseVersion(agentVersion), osKey: osKeyOf(osType), lifecycle: lifecycleOf(server) };
  return {
    hostId: server.hostId,
    friendlyName,
    osType,
    agentVersion,
    versionStatus: rules.verdictOf(agentVersion, osType, at).status,
    agentExpiryDate: rules.findRelease(agentVersion, osType)?.supportEndsAt.toISOString() ?? null,
    leavesSupportSoon: readiness.leavesSupportAt(installed) !== null,
    ...toReadinessDto(readiness.readinessOf(installed)),
  };
}

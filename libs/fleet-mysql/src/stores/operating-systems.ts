import { parseVersion, versionKey, type HeartbeatVerdict, type OsKey, type VersionRuleSource } from '@app/fleet';
import type { Database } from '../database.js';
import { READ_OPERATING_SYSTEMS } from '../statements/leases.js';

/** About 15 MB. */
const MAX_REMEMBERED = 100_000;

/** A heartbeat with its verdict. */
export interface EvaluatedHeartbeat {
  readonly hostId: string;
  readonly credentialHash: string;
  verdict: HeartbeatVerdict;
}

/**
 * The operating systems of the senders of heartbeats, for versions whose status depends on them. Only a registration changes the
 * operating system, and it issues a new credential, so that a remembered one stays correct on every replica.
 */
export class OperatingSystems {
  private readonly remembered = new Map<string, OsKey>();

  constructor(
    private readonly database: Pick<Database, 'rows'>,
    private readonly versions: Pick<VersionRuleSource, 'known'>,
    private readonly onFailedRead: (error: unknown) => void,
    private readonly maxRemembered = MAX_REMEMBERED,
  ) {}

  /**
   * Adds the operating system to the accepted heartbeats whose status depends on it, with one read for those that are not remembered.
   * A failed read leaves it out, because the heartbeats are committed.
   */
  async addTo(heartbeats: readonly EvaluatedHeartbeat[]): Promise<void> {
    const unread = this.dependentOnOs(heartbeats).filter((heartbeat) => {
      const osKey = this.remembered.get(heartbeat.credentialHash);
      return osKey === undefined || !setOs(heartbeat, osKey);
    });
    if (unread.length === 0) return;
    const osKeys = await this.read(unread.map(({ hostId }) => hostId));
    if (this.remembered.size + unread.length > this.maxRemembered) this.remembered.clear();
    for (const heartbeat of unread) {
      const osKey = osKeys.get(heartbeat.hostId);
      if (osKey !== undefined && setOs(heartbeat, osKey)) this.remembered.set(heartbeat.credentialHash, osKey);
    }
  }

  private dependentOnOs(heartbeats: readonly EvaluatedHeartbeat[]): EvaluatedHeartbeat[] {
    const rules = this.versions.known;
    const byVersion = new Map<string, boolean>();
    return heartbeats.filter(({ verdict }) => {
      if (verdict.outcome !== 'accepted' || verdict.osKey !== undefined) return false;
      let isDependent = byVersion.get(verdict.agentVersion);
      if (isDependent === undefined) {
        const version = parseVersion(verdict.agentVersion);
        isDependent = version !== null && rules.dependsOnOs(versionKey(version), verdict.at);
        byVersion.set(verdict.agentVersion, isDependent);
      }
      return isDependent;
    });
  }

  private async read(hostIds: readonly string[]): Promise<ReadonlyMap<string, OsKey>> {
    try {
      const rows = await this.database.rows<{ host_id: string; os_key: OsKey }>(READ_OPERATING_SYSTEMS, [hostIds]);
      return new Map(rows.map(({ host_id, os_key }) => [host_id, os_key]));
    } catch (error) {
      this.onFailedRead(error);
      return new Map();
    }
  }
}

function setOs(heartbeat: EvaluatedHeartbeat, osKey: OsKey): true {
  if (heartbeat.verdict.outcome === 'accepted') heartbeat.verdict = { ...heartbeat.verdict, osKey };
  return true;
}

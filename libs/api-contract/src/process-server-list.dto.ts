/** One item of a list. */
export class ProcessServerSummary {
  readonly hostId!: string;
  readonly generation!: number;
  readonly friendlyName!: string;
  readonly ipAddress!: string;
  readonly agentVersion!: string;
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  /** End of the support of its release, RFC 3339; null if the catalogue does not have the release. */
  readonly agentExpiryDate!: string | null;
  readonly lifecycle!: 'Registered' | 'Decommissioned';
  readonly connectionState!: 'Connected' | 'Disconnected';
  /** Overall health; `None` if nothing was reported or the entry is Decommissioned. */
  readonly health!: 'None' | 'Normal' | 'Warning' | 'Critical';
  /** RFC 3339; null until its first heartbeat. */
  readonly lastHeartbeat!: string | null;
  /** The earliest time at which silence ends, or ended, the lease, RFC 3339. */
  readonly leaseExpiresAt!: string;
  /** When a Decommissioned entry is removed at the latest, RFC 3339; otherwise null. */
  readonly removeBy!: string | null;
  /** Another entry has the same address, name or machine id. */
  readonly possibleDuplicate!: boolean;
}

/** One page. A page examines a bounded number of entries: with filters it may have fewer items than the limit, or none, and still have a next page. */
export class ProcessServerList {
  readonly items!: ProcessServerSummary[];
  /** Null only on the last page: read on until it is null. */
  readonly nextCursor!: string | null;
  /** The time for which the page is true, RFC 3339. */
  readonly asOf!: string;
}

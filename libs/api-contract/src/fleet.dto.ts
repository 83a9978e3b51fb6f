export class LifecycleCounts {
  readonly Registered!: number;
  readonly Decommissioned!: number;
}

export class ConnectionStateCounts {
  readonly Connected!: number;
  readonly Disconnected!: number;
}

/** Connection states of the registered entries, and of those that are leaving. */
export class ConnectionStateByLifecycleCounts {
  readonly Registered!: ConnectionStateCounts;
  readonly Decommissioned!: ConnectionStateCounts;
}

export class VersionStatusCounts {
  readonly Supported!: number;
  readonly NotSupported!: number;
  readonly Deprecated!: number;
  readonly UpdateRequired!: number;
  readonly SecurityUpdateRequired!: number;
}

export class HealthCounts {
  readonly None!: number;
  readonly Normal!: number;
  readonly Warning!: number;
  readonly Critical!: number;
}

/** Counts of the fleet; each agrees with the list of the same filter at the same `asOf`. */
export class FleetResponse {
  readonly total!: number;
  readonly lifecycle!: LifecycleCounts;
  readonly connectionState!: ConnectionStateCounts;
  readonly connectionStateByLifecycle!: ConnectionStateByLifecycleCounts;
  readonly versionStatus!: VersionStatusCounts;
  readonly health!: HealthCounts;
  /** Registered with a passphrase other than the current one. */
  readonly onEarlierPassphrase!: number;
  /** In seconds; null when no entry is Decommissioned. */
  readonly oldestDecommissionedAgeSeconds!: number | null;
  /** RFC 3339; up to 5 s old. */
  readonly asOf!: string;
}

export class AvailabilityDto {
  /** Whether this replica accepts heartbeats at present. */
  readonly accepting!: boolean;
  /** The availability clock, in milliseconds. */
  readonly availableMs!: number;
  /** When a replica last recorded the availability clock, RFC 3339. */
  readonly recordedAt!: string;
}

export class CleanUpDto {
  /** RFC 3339; null before the first run. */
  readonly lastPassAt!: string | null;
  readonly lastPassBy!: string | null;
  /** Entries that the last run removed. */
  readonly lastPassRemoved!: number | null;
  readonly lastPassError!: string | null;
  /** How long an entry has been kept beyond its `removeBy`, in seconds; 0 if none is overdue. */
  readonly overdueSeconds!: number;
}

/** The history of the database, and whether it agrees with the data directory of this replica. */
export class RestoreDto {
  /** How often the database was restored from a backup with `--restored`. */
  readonly epoch!: number;
  /** Time of the last restore, RFC 3339; null without one. */
  readonly restoredAt!: string | null;
  /** Registrations of this generation or an earlier one precede the last restore. */
  readonly generationFloor!: number;
  /**
   * Codes of disagreements between the database and the data directory.
   * @example ['database_older_than_data_directory']
   */
  readonly problems!: string[];
  /** Recommended action; null if none is needed. */
  readonly advice!: string | null;
}

/** State of the configuration server. */
export class ConfigurationServerResponse {
  readonly version!: string;
  readonly versionPolicy!: 'same-or-earlier' | 'exact';
  /** This replica. */
  readonly replica!: string;
  /** RFC 3339. */
  readonly startedAt!: string;
  /** Addresses on which this replica listens. */
  readonly addresses!: string[];
  readonly availability!: AvailabilityDto;
  readonly cleanUp!: CleanUpDto;
  readonly restore!: RestoreDto;
  /** RFC 3339. */
  readonly asOf!: string;
}

export class LiveResponse {
  readonly status!: 'live';
}

/** This replica can commit heartbeats. */
export class ReadyResponse {
  readonly status!: 'ready' | 'degraded';
  /**
   * Problems of this replica although it accepts heartbeats.
   * @example ['clean_up_overdue']
   */
  readonly degraded!: string[];
}

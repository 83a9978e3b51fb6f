export class LifecycleCounts {
  readonly Registered!: number;
  readonly Decommissioned!: number;
}

export class ConnectionStateCounts {
  readonly Connected!: number;
  readonly Disconnected!: number;
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

/** The fleet in numbers; each agrees with the list of the same filter at the same `asOf`. */
export class FleetResponse {
  readonly total!: number;
  readonly lifecycle!: LifecycleCounts;
  readonly connectionState!: ConnectionStateCounts;
  readonly versionStatus!: VersionStatusCounts;
  readonly health!: HealthCounts;
  /** Registered with a passphrase that is not the one of now. */
  readonly onEarlierPassphrase!: number;
  /** In seconds; null when none is leaving. */
  readonly oldestDecommissionedAgeSeconds!: number | null;
  /** RFC 3339; up to 5 s old. */
  readonly asOf!: string;
}

export class AvailabilityDto {
  /** Whether this replica accepts heartbeats now. */
  readonly accepting!: boolean;
  /** The availability clock, in milliseconds. */
  readonly availableMs!: number;
  /** When a replica last recorded the availability clock, RFC 3339. */
  readonly recordedAt!: string;
}

export class CleanUpDto {
  /** RFC 3339; null before the first pass. */
  readonly lastPassAt!: string | null;
  readonly lastPassBy!: string | null;
  /** Entries that the last pass removed. */
  readonly lastPassRemoved!: number | null;
  readonly lastPassError!: string | null;
  /** How long an entry has stayed beyond its `removeBy`, in seconds; 0 is as promised. */
  readonly overdueSeconds!: number;
}

/** Which history of the database is served, and how it fits the data directory of this replica. */
export class RestoreDto {
  /** How often the database was restored from a backup with `--restored`. */
  readonly epoch!: number;
  /** Of the last restore, RFC 3339; null when there was none. */
  readonly restoredAt!: string | null;
  /** Registrations of this generation or an earlier one are from before the last restore. */
  readonly generationFloor!: number;
  /**
   * Codes of what does not fit.
   * @example ['database_older_than_data_directory']
   */
  readonly problems!: string[];
  /** What to do about it; null when nothing is to be done. */
  readonly advice!: string | null;
}

/** The configuration server about itself. */
export class ConfigurationServerResponse {
  readonly version!: string;
  readonly versionPolicy!: 'same-or-earlier' | 'exact';
  /** This replica. */
  readonly replica!: string;
  /** RFC 3339. */
  readonly startedAt!: string;
  /** Where this replica listens. */
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
   * What is amiss although heartbeats are taken.
   * @example ['clean_up_overdue']
   */
  readonly degraded!: string[];
}

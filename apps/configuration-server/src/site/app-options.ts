import type { Logger } from 'pino';
import type { Clock, Identifiers, PassphraseFile, Randomness, RemovalRecorder, Version } from '@app/fleet';
import type { DatabaseServers } from '@app/fleet-mysql';
import type { Settings, SystemClock } from '@app/platform';
import { createToken } from './provide.js';

/** How the clock of a replica is synchronised with the clock of the site. */
export type SiteClock = Pick<SystemClock, 'reconcile' | 'agreed' | 'disagreed' | 'databaseDifferenceMs'>;

/** How the database agrees with the data directory of this replica. */
export interface DirectoryState {
  readonly problems: readonly string[];
  readonly advice: string | null;
}

/** What a replica gets from its start, or from a test. */
export interface AppParts {
  /** The name of the replica. */
  readonly name: string;
  /** Shared by both pools of the replica. */
  readonly servers: DatabaseServers;
  readonly clock: Clock;
  /** A manual clock needs none. */
  readonly siteClock?: SiteClock;
  readonly randomness: Randomness;
  readonly identifiers: Identifiers;
  readonly logger: Logger;
  /** Where the operator finds a new passphrase. */
  readonly passphraseFile: PassphraseFile;
  /** Records removals outside of the database; absent in most tests. */
  readonly removalRecorder?: RemovalRecorder;
  readonly directory?: DirectoryState;
  /** Default true; a test runs the tasks of the jobs itself. */
  readonly runsJobs?: boolean;
  /** Timeout for the arrival of a request; default 20 s. */
  readonly requestTimeoutMs?: number;
  /** Deadline of the response after the last byte of the request; default just below 5 s. */
  readonly responseTimeoutMs?: number;
  /** Default 64 MB in 4,096 responses. */
  readonly unreadLimits?: { readonly responses: number; readonly bytes: number };
  /** How long a readiness result is reused; default 1 s. */
  readonly readinessTtlMs?: number;
  /** Default 20 s. */
  readonly maxUnreadExportMs?: number;
  /** Of the downloads of packages; other than the defaults. */
  readonly packageLimits?: Partial<{
    readonly downloads: number;
    readonly downloadsPerAddress: number;
    readonly maxWaitMs: number;
    readonly maxUnreadMs: number;
  }>;
}

export interface AppOptions extends AppParts {
  readonly settings: Settings;
}

export const APP_OPTIONS = createToken<AppOptions>('AppOptions');
/** The window of the health rules, in milliseconds. */
export const HEALTH_WINDOW = createToken<number>('HealthWindow');
/** The version of this configuration server. */
export const OWN_VERSION = createToken<Version>('Version');

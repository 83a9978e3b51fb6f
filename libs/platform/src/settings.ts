import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import {
  parseVersion,
  PROOF_POLICIES,
  type CleanUpTiming,
  type HeartbeatLimits,
  type LeaseTiming,
  type ProofPolicy,
  type RegistrationLimits,
  type Version,
  type VersionPolicy,
} from '@app/fleet';
import { databaseSettings, type DatabaseSettings } from './database-settings.js';
import { errorMessage, readTextFile } from '@app/system';
import { parsePublicUrl, type PublicUrl } from './public-url.js';
import { SETTINGS, type SettingName } from './setting-definitions.js';
import { validateTlsPair } from './tls-pair.js';
import { TrustedProxies } from './trusted-proxies.js';

/** The PEM texts as read at the start, and the files from which they are reloaded. */
export interface TlsSettings {
  readonly certificate: string;
  readonly key: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** The request limits per second at one replica. */
export interface CallLimits {
  readonly apiKeyRequestsPerSecond: number;
  /** For one address and the public routes. */
  readonly anonymousRequestsPerSecond: number;
}

export interface ProxySettings {
  readonly trustedProxies: TrustedProxies;
  /** Whether each connection begins with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  /** The header in which the proxies name their clients. */
  readonly proxyHeader: 'any' | 'forwarded' | 'x-forwarded-for';
}

export interface Settings {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly maxConnections: number;
    readonly tls: TlsSettings | null;
    readonly heartbeatFastPath: boolean;
  } & ProxySettings;
  /** Null where PUBLIC_URL is not set. */
  readonly publicUrl: PublicUrl | null;
  readonly dataDirectory: string;
  /** An absolute path; null without packages. */
  readonly packagesDirectory: string | null;
  /** Null where DATABASE_URL is not set. */
  readonly database: DatabaseSettings | null;
  readonly databasePoolSize: number;
  readonly lease: LeaseTiming;
  readonly healthWindowSeconds: number;
  readonly heartbeats: HeartbeatLimits;
  readonly cleanUp: CleanUpTiming;
  readonly monitorIntervalSeconds: number;
  readonly version: Version;
  readonly versionPolicy: VersionPolicy;
  readonly registrations: RegistrationLimits;
  readonly reregistrationProof: ProofPolicy;
  readonly eventRetentionDays: number;
  readonly passphraseOverlapSeconds: number;
  readonly limits: CallLimits;
  readonly metricsRequireReader: boolean;
  readonly logLevel: string;
}

/** With names of the maximum length, some megabytes of statement. */
const MAX_SERVICES_PER_BATCH = 2_000;
/** The deadline of the clean-up: removed within 15 minutes. */
const MAX_REMOVAL_SECONDS = 900;
/** Reports of several leases decide a signal. */
const LEASES_PER_HEALTH_WINDOW = 3;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Invalid or contradictory settings; the message has a line for each error, with the name of the setting. */
export class SettingsError extends Error {}

export interface SettingsSource {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly insecure: boolean;
  /** Three parts, as in package.json. */
  readonly packageVersion: string;
}

/** The settings of a server, which starts no database. */
export type ServerSettings = Settings & { readonly database: DatabaseSettings };

/** @throws SettingsError that names every variable that cannot be used. */
export const readSettings = (source: SettingsSource): Settings => read(source, false);

/** @throws SettingsError as `readSettings`, and when DATABASE_URL is not set. */
export const readServerSettings = (source: SettingsSource): ServerSettings => read(source, true) as ServerSettings;

function read({ environment, insecure, packageVersion }: SettingsSource, needsDatabase: boolean): Settings {
  const errors: string[] = [];
  const addError = (message: string): void => void errors.push(message);
  const file = environment['CONFIG_FILE'];
  const fromFile = file ? (readFileOrReport('CONFIG_FILE', file, addError, parseEnvFile) ?? {}) : {};
  const known = new Set<string>(SETTINGS.map(({ name }) => name));
  for (const name of Object.keys(fromFile)) if (!known.has(name)) addError(`${name} in CONFIG_FILE is not a setting`);

  const text = (name: SettingName): string =>
    environment[name]?.trim() ||
    fromFile[name]?.trim() ||
    SETTINGS.find((setting) => setting.name === name)?.defaultValue ||
    '';
  const integer = (name: SettingName, min: number, max: number): number => {
    const value = text(name);
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      addError(`${name} must be a whole number from ${min} to ${max}, not "${value}"`);
    return number;
  };
  const oneOf = <Choice extends string>(name: SettingName, choices: readonly Choice[]): Choice => {
    const value = text(name) as Choice;
    if (!choices.includes(value)) addError(`${name} must be one of ${choices.join(', ')}, not "${value}"`);
    return value;
  };

  const cleanUp = {
    graceSeconds: integer('CLEAN_UP_GRACE_SECONDS', 0, 900),
    intervalSeconds: integer('CLEAN_UP_INTERVAL_SECONDS', 1, 450),
  };
  if (cleanUp.graceSeconds + 2 * cleanUp.intervalSeconds > MAX_REMOVAL_SECONDS) {
    addError(
      `CLEAN_UP_GRACE_SECONDS plus twice CLEAN_UP_INTERVAL_SECONDS exceeds ${MAX_REMOVAL_SECONDS} s: a decommissioned entry must be removed within 15 minutes`,
    );
  }
  const leaseSeconds = integer('LEASE_SECONDS', 1, 86_400);
  const healthWindowSeconds = integer('HEALTH_WINDOW_SECONDS', 3, 604_800);
  if (healthWindowSeconds < LEASES_PER_HEALTH_WINDOW * leaseSeconds)
    addError(
      `HEALTH_WINDOW_SECONDS is less than ${LEASES_PER_HEALTH_WINDOW} times LEASE_SECONDS: a gap of a lease must not decide a signal`,
    );
  const certificateFile = text('TLS_CERTIFICATE_FILE');
  const keyFile = text('TLS_KEY_FILE');
  if (Boolean(certificateFile) !== Boolean(keyFile))
    addError('TLS_CERTIFICATE_FILE and TLS_KEY_FILE require each other');
  const certificate = certificateFile && readFileOrReport('TLS_CERTIFICATE_FILE', certificateFile, addError);
  const key = keyFile && readFileOrReport('TLS_KEY_FILE', keyFile, addError);
  for (const [name, content] of [
    ['TLS_CERTIFICATE_FILE', certificate],
    ['TLS_KEY_FILE', key],
  ] as const) {
    if (content !== null && text(name) && !content.trim()) addError(`${name}: the file is empty`);
  }
  if (certificate?.trim() && key?.trim()) assertTlsPairValid(certificate, key, addError);
  if (needsDatabase && !text('DATABASE_URL'))
    addError(
      'DATABASE_URL is not set: name a MySQL or MariaDB database, or run "npm start", which starts a private one',
    );
  if (text('DATABASE_PASSWORD_FILE') && !text('DATABASE_URL')) addError('DATABASE_PASSWORD_FILE requires DATABASE_URL');
  const proxyProtocol = oneOf('PROXY_PROTOCOL', ['off', 'required']) === 'required';
  if (proxyProtocol && !text('TRUSTED_PROXIES'))
    addError('PROXY_PROTOCOL requires TRUSTED_PROXIES: headers of other addresses are rejected');
  const host = text('HTTP_HOST');
  if (!isLoopback(host) && !certificateFile && !insecure) {
    addError(`HTTP_HOST ${host} is not loopback: set TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or start with --insecure`);
  }
  const versionText =
    environment['CONFIGURATION_SERVER_VERSION'] || fromFile['CONFIGURATION_SERVER_VERSION'] || `${packageVersion}.0`;
  const version = parseVersion(versionText);
  if (!version) addError(`CONFIGURATION_SERVER_VERSION must have four numbers, e.g. 9.63.7187.1, not "${versionText}"`);

  const settings: Settings = {
    http: {
      host,
      port: integer('HTTP_PORT', 0, 65_535),
      maxConnections: integer('HTTP_MAX_CONNECTIONS', 10, 1_000_000),
      tls: certificate && key ? { certificate, key, certificateFile, keyFile } : null,
      trustedProxies: trustedProxies(text('TRUSTED_PROXIES'), addError),
      proxyProtocol,
      proxyHeader: oneOf('TRUSTED_PROXY_HEADER', ['any', 'forwarded', 'x-forwarded-for']),
      heartbeatFastPath: oneOf('HEARTBEAT_FAST_PATH', ['on', 'off']) === 'on',
    },
    publicUrl: text('PUBLIC_URL') ? publicUrl(text('PUBLIC_URL'), addError) : null,
    dataDirectory: text('DATA_DIRECTORY'),
    packagesDirectory: packagesDirectory(text('PACKAGES_DIRECTORY'), text('DATA_DIRECTORY'), addError),
    database: text('DATABASE_URL')
      ? databaseSettings(
          text('DATABASE_URL'),
          text('DATABASE_PASSWORD_FILE'),
          (name, path) => readFileOrReport(name, path, addError),
          addError,
        )
      : null,
    databasePoolSize: integer('DATABASE_POOL_SIZE', 1, 200),
    lease: {
      heartbeatIntervalSeconds: integer('HEARTBEAT_INTERVAL_SECONDS', 1, 3_600),
      leaseSeconds,
      maxHeartbeatsPerSecond: integer('MAX_HEARTBEATS_PER_SECOND', 1, 1_000_000),
    },
    healthWindowSeconds,
    heartbeats: {
      maxQueueLength: integer('HEARTBEAT_MAX_QUEUE_LENGTH', 1, 1_000_000),
      maxBatchSize: integer('HEARTBEAT_MAX_BATCH_SIZE', 1, 1_000),
      maxPerServerPerSecond: integer('MAX_HEARTBEATS_PER_SERVER_PER_SECOND', 2, 1_000),
      maxServicesPerBatch: MAX_SERVICES_PER_BATCH,
    },
    cleanUp,
    monitorIntervalSeconds: integer('MONITOR_INTERVAL_SECONDS', 1, 300),
    version: version ?? { major: 0, minor: 0, build: 0, revision: 0 },
    versionPolicy: oneOf('VERSION_POLICY', ['same-or-earlier', 'exact']),
    registrations: {
      newPerSecond: integer('REGISTRATIONS_PER_SECOND', 1, 1_000_000),
      perServerPerHour: integer('REGISTRATIONS_PER_SERVER_PER_HOUR', 1, 1_000_000),
    },
    reregistrationProof: oneOf('REREGISTRATION_PROOF', PROOF_POLICIES),
    eventRetentionDays: integer('EVENT_RETENTION_DAYS', 1, 36_500),
    passphraseOverlapSeconds: integer('PASSPHRASE_OVERLAP_SECONDS', 0, 31_536_000),
    limits: {
      apiKeyRequestsPerSecond: integer('API_KEY_REQUESTS_PER_SECOND', 1, 1_000_000),
      anonymousRequestsPerSecond: integer('ANONYMOUS_REQUESTS_PER_SECOND', 1, 1_000_000),
    },
    metricsRequireReader: oneOf('METRICS_ACCESS', ['public', 'reader']) === 'reader',
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS),
  };
  if (errors.length > 0)
    throw new SettingsError(`These settings cannot be used:\n${errors.map((line) => `  ${line}`).join('\n')}`);
  return settings;
}

/** @throws Error that names the first invalid line. */
function parseEnvFile(content: string): Record<string, string | undefined> {
  const invalidLine = content.split('\n').findIndex((line) => !/^\s*(#|$|[A-Za-z_]\w*\s*=)/.test(line));
  if (invalidLine >= 0) throw new Error(`line ${invalidLine + 1} is not NAME=value`);
  return parseEnv(content);
}

function assertTlsPairValid(cert: string, key: string, addError: (message: string) => void): void {
  try {
    validateTlsPair(cert, key);
  } catch (error) {
    addError(`TLS_CERTIFICATE_FILE and TLS_KEY_FILE cannot be used: ${errorMessage(error)}`);
  }
}

function packagesDirectory(text: string, dataDirectory: string, addError: (message: string) => void): string | null {
  if (!text) return null;
  const path = resolve(text);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    addError(`PACKAGES_DIRECTORY ${text} is not a directory`);
  if (path === resolve(dataDirectory)) addError('PACKAGES_DIRECTORY must not be DATA_DIRECTORY, which has secrets');
  return path;
}

function trustedProxies(text: string, addError: (message: string) => void): TrustedProxies {
  try {
    return TrustedProxies.parse(text);
  } catch (error) {
    addError(`TRUSTED_PROXIES: ${errorMessage(error)}`);
    return TrustedProxies.parse('');
  }
}

function publicUrl(text: string, addError: (message: string) => void): PublicUrl | null {
  try {
    return parsePublicUrl(text);
  } catch (error) {
    addError(`PUBLIC_URL: ${errorMessage(error)}`);
    return null;
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

function readFileOrReport(name: string, path: string, addError: (message: string) => void): string | null;
function readFileOrReport<Parsed>(
  name: string,
  path: string,
  addError: (message: string) => void,
  parse: (text: string) => Parsed,
): Parsed | null;
function readFileOrReport<Parsed>(
  name: string,
  path: string,
  addError: (message: string) => void,
  parse?: (text: string) => Parsed,
): string | Parsed | null {
  try {
    const content = readTextFile(path);
    return parse ? parse(content) : content;
  } catch (error) {
    addError(`${name}: ${errorMessage(error)}`);
    return null;
  }
}

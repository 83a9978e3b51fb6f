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
import { errorMessage } from './running-process.js';
import { readTextFile } from './text-file.js';
import { validateTlsPair } from './tls-pair.js';
import { TrustedProxies } from './trusted-proxies.js';

/** One row of the settings table in docs/settings.md; `unit` is empty for text. */
export interface SettingDefinition {
  readonly name: string;
  readonly unit: string;
  readonly defaultValue: string;
  readonly meaning: string;
}

const setting = (name: string, unit: string, defaultValue: string, meaning: string): SettingDefinition => ({
  name,
  unit,
  defaultValue,
  meaning,
});

/** All settings: environment variables, or entries of the file in CONFIG_FILE. */
export const SETTINGS = [
  setting('CONFIG_FILE', '', '', 'A file of NAME=value lines; environment variables take precedence'),
  setting('HTTP_HOST', '', '127.0.0.1', 'Address to listen on; other than loopback needs TLS or --insecure'),
  setting('HTTP_PORT', 'port', '8080', 'Port to listen on; 0 selects a free one'),
  setting(
    'HTTP_MAX_CONNECTIONS',
    'count',
    '100000',
    'Maximum number of open connections, also limited by the allowed file descriptors. When the limit is reached, the connections idle longest are closed',
  ),
  setting(
    'TLS_CERTIFICATE_FILE',
    '',
    '',
    'PEM certificate chain, the own certificate first; enables HTTPS together with TLS_KEY_FILE. Both are reloaded when they change',
  ),
  setting('TLS_KEY_FILE', '', '', 'PEM private key of the server certificate'),
  setting(
    'TRUSTED_PROXIES',
    '',
    '',
    'Comma-separated addresses and CIDR networks of proxies whose `Forwarded` or `X-Forwarded-For` header is trusted; from other addresses both are ignored',
  ),
  setting(
    'TRUSTED_PROXY_HEADER',
    '',
    'any',
    'The header that the trusted proxies set: `forwarded` or `x-forwarded-for`; with `any`, both are ignored when they name different clients',
  ),
  setting(
    'PROXY_PROTOCOL',
    '',
    'off',
    'Or `required`: each connection begins with a PROXY protocol header (version 1 or 2) of a trusted proxy, before TLS; other connections are closed',
  ),
  setting('DATA_DIRECTORY', '', '.data', 'Directory of the passphrase, the first admin key and the private database'),
  setting(
    'DATABASE_URL',
    '',
    '',
    'mysql://user@host:port/database, more hosts separated by commas, ?ssl= for TLS (docs/database.md); or mysql://user@localhost/database?socket=/path; if unset, `npm start` starts a private database',
  ),
  setting(
    'DATABASE_PASSWORD_FILE',
    '',
    '',
    'File with the password for DATABASE_URL, alone or as MySQLUserPassword in [MySQLCredentials]',
  ),
  setting('DATABASE_POOL_SIZE', 'count', '10', 'Database connections for everything except heartbeats'),
  setting(
    'HEARTBEAT_INTERVAL_SECONDS',
    's',
    '30',
    'Interval assigned to a small fleet, up to a fifth longer at random',
  ),
  setting(
    'LEASE_SECONDS',
    's',
    '180',
    'Minimum lease: silence after which a process server is Disconnected; six assigned intervals if that is longer',
  ),
  setting('MAX_HEARTBEATS_PER_SECOND', '1/s', '5000', 'Above this rate the assigned interval grows with the fleet'),
  setting(
    'MAX_HEARTBEATS_PER_SERVER_PER_SECOND',
    '1/s',
    '20',
    'More from one process server gets 429; at least 2, so that one heartbeat for each assigned interval is always accepted',
  ),
  setting('HEARTBEAT_MAX_QUEUE_LENGTH', 'count', '20000', 'Maximum number of heartbeats that wait for a commit'),
  setting('HEARTBEAT_MAX_BATCH_SIZE', 'count', '500', 'Maximum number of heartbeats in one transaction, at most 1000'),
  setting(
    'HEARTBEAT_FAST_PATH',
    '',
    'on',
    '`on` or `off`: with `off`, the HTTP framework serves all heartbeats, at a fraction of the rate',
  ),
  setting('CLEAN_UP_GRACE_SECONDS', 's', '300', 'Time from decommissioning to removal'),
  setting(
    'CLEAN_UP_INTERVAL_SECONDS',
    's',
    '60',
    'Time between two clean-up runs; grace plus two intervals must not exceed 900',
  ),
  setting(
    'CONFIGURATION_SERVER_VERSION',
    '',
    "the package's",
    'Four-part version with which the versions of process servers are compared',
  ),
  setting('VERSION_POLICY', '', 'same-or-earlier', 'Or `exact`: reject every other version'),
  setting(
    'REGISTRATIONS_PER_SECOND',
    '1/s',
    '500',
    'New host ids from one address at one replica, and ten times as many with one passphrase, with a burst of ten seconds. More get 429; registered host ids are not limited',
  ),
  setting(
    'REGISTRATIONS_PER_SERVER_PER_HOUR',
    '1/h',
    '36000',
    'Registrations of one registered host id at one replica, with a burst of an hour; more get 429',
  ),
  setting(
    'REREGISTRATION_PROOF',
    '',
    'address',
    'Proof required to replace a Connected registration: its credential or the source address of its heartbeats; `credential`: its credential only; `none`: the passphrase suffices',
  ),
  setting('EVENT_RETENTION_DAYS', 'd', '400', 'Retention time of events'),
  setting('PASSPHRASE_OVERLAP_SECONDS', 's', '86400', 'Time that an earlier passphrase stays valid after a rotation'),
  setting('API_KEY_REQUESTS_PER_SECOND', '1/s', '100', 'More from one API key gets 429'),
  setting(
    'ANONYMOUS_REQUESTS_PER_SECOND',
    '1/s',
    '100',
    'More from one address to public routes (metrics, documentation) gets 429; health checks are not limited',
  ),
  setting('METRICS_ACCESS', '', 'public', 'Or `reader`: /metrics requires an API key'),
  setting('LOG_LEVEL', '', 'info', 'trace, debug, info, warn, error, fatal or silent'),
] as const satisfies readonly SettingDefinition[];

export type SettingName = (typeof SETTINGS)[number]['name'];

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
  readonly dataDirectory: string;
  /** Null where DATABASE_URL is not set. */
  readonly database: DatabaseSettings | null;
  readonly databasePoolSize: number;
  readonly lease: LeaseTiming;
  readonly heartbeats: HeartbeatLimits;
  readonly cleanUp: CleanUpTiming;
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
    dataDirectory: text('DATA_DIRECTORY'),
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
      leaseSeconds: integer('LEASE_SECONDS', 1, 86_400),
      maxHeartbeatsPerSecond: integer('MAX_HEARTBEATS_PER_SECOND', 1, 1_000_000),
    },
    heartbeats: {
      maxQueueLength: integer('HEARTBEAT_MAX_QUEUE_LENGTH', 1, 1_000_000),
      maxBatchSize: integer('HEARTBEAT_MAX_BATCH_SIZE', 1, 1_000),
      maxPerServerPerSecond: integer('MAX_HEARTBEATS_PER_SERVER_PER_SECOND', 2, 1_000),
      maxServicesPerBatch: MAX_SERVICES_PER_BATCH,
    },
    cleanUp,
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

function trustedProxies(text: string, addError: (message: string) => void): TrustedProxies {
  try {
    return TrustedProxies.parse(text);
  } catch (error) {
    addError(`TRUSTED_PROXIES: ${errorMessage(error)}`);
    return TrustedProxies.parse('');
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

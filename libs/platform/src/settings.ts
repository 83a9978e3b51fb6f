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
import { usableTlsPair } from './tls-pair.js';
import { TrustedProxies } from './trusted-proxies.js';

/** One row of the settings table in README.md; `unit` is empty for text. */
export interface SettingRow {
  readonly name: string;
  readonly unit: string;
  readonly byDefault: string;
  readonly meaning: string;
}

const row = (name: string, unit: string, byDefault: string, meaning: string): SettingRow => ({
  name,
  unit,
  byDefault,
  meaning,
});

/** Every setting there is. Environment variables; the same names may stand in the file that CONFIG_FILE names. */
export const SETTINGS = [
  row('CONFIG_FILE', '', '', 'A file of NAME=value lines; the environment wins over it'),
  row('HTTP_HOST', '', '127.0.0.1', 'Address to listen on; other than loopback needs TLS or --insecure'),
  row('HTTP_PORT', 'port', '8080', 'Port to listen on; 0 takes a free one'),
  row(
    'HTTP_CONNECTIONS',
    'count',
    '100000',
    'Open connections, fewer where the machine allows fewer files; for one more, those are closed that ask for nothing, longest first',
  ),
  row(
    'TLS_CERTIFICATE_FILE',
    '',
    '',
    'PEM certificate chain, the own certificate first; serves HTTPS together with TLS_KEY_FILE. Both are read again when they change',
  ),
  row('TLS_KEY_FILE', '', '', 'PEM private key'),
  row(
    'TRUSTED_PROXIES',
    '',
    '',
    'Comma-separated addresses and CIDR networks of proxies whose `Forwarded` or `X-Forwarded-For` header is believed; from others both are ignored',
  ),
  row(
    'TRUSTED_PROXY_HEADER',
    '',
    'any',
    'The header that these proxies write: `forwarded` or `x-forwarded-for`; with `any`, two that name different clients are both ignored',
  ),
  row(
    'PROXY_PROTOCOL',
    '',
    'off',
    'Or `required`: each connection begins with a PROXY protocol header (version 1 or 2) of a trusted proxy, before TLS; others are closed',
  ),
  row('DATA_DIRECTORY', '', '.data', 'Passphrase, first admin key, and the private database'),
  row(
    'DATABASE_URL',
    '',
    '',
    'mysql://user@host:port/database, further hosts after commas, with ?ssl= where TLS is wanted (docs/database.md); or mysql://user@localhost/database?socket=/path; without it a private database is started',
  ),
  row(
    'DATABASE_PASSWORD_FILE',
    '',
    '',
    'File that holds the password for DATABASE_URL, alone or as MySQLUserPassword in [MySQLCredentials]',
  ),
  row('DATABASE_CONNECTIONS', 'count', '10', 'Connections for everything but heartbeats'),
  row('HEARTBEAT_INTERVAL_SECONDS', 's', '30', 'Interval told to a small fleet, up to a fifth more at random'),
  row(
    'LEASE_SECONDS',
    's',
    '180',
    'The least silence that makes a process server Disconnected; six told intervals where that is longer',
  ),
  row('HEARTBEATS_PER_SECOND_CEILING', '1/s', '5000', 'Above this rate the told interval grows with the fleet'),
  row(
    'HEARTBEATS_PER_SERVER_PER_SECOND',
    '1/s',
    '20',
    'More from one process server gets 429; 2 at least, so that one for each told interval is always heard',
  ),
  row('HEARTBEAT_QUEUE_LENGTH', 'count', '20000', 'Heartbeats that may wait for a commit'),
  row('HEARTBEAT_GROUP_SIZE', 'count', '500', 'Heartbeats written in one transaction, 1000 at most'),
  row('CLEAN_UP_GRACE_SECONDS', 's', '300', 'From decommissioning to removal'),
  row('CLEAN_UP_INTERVAL_SECONDS', 's', '60', 'Between two sweeps; grace + two intervals may not exceed 900'),
  row(
    'CONFIGURATION_SERVER_VERSION',
    '',
    "the package's",
    'Version that process servers are compared with, four parts',
  ),
  row('VERSION_POLICY', '', 'same-or-earlier', 'Or `exact`: refuse every other version'),
  row(
    'REGISTRATIONS_PER_SECOND',
    '1/s',
    '500',
    'New host ids from one address, and a tenfold of that with one passphrase, at one replica; those of ten seconds at once. More get 429; registered host ids never',
  ),
  row(
    'REGISTRATIONS_PER_SERVER_PER_HOUR',
    '1/h',
    '36000',
    'Registrations of one registered host id at one replica, all of them at once if need be; more get 429',
  ),
  row(
    'REREGISTRATION_PROOF',
    '',
    'address',
    'What replaces a Connected registration: its credential or the source address of its heartbeats; `credential`: its credential only; `none`: the passphrase is enough',
  ),
  row('EVENT_RETENTION_DAYS', 'd', '400', 'How long events are kept'),
  row('PASSPHRASE_OVERLAP_SECONDS', 's', '86400', 'How long an earlier passphrase stays valid after a rotation'),
  row('API_KEY_REQUESTS_PER_SECOND', '1/s', '100', 'More from one API key gets 429'),
  row(
    'ANONYMOUS_REQUESTS_PER_SECOND',
    '1/s',
    '100',
    'More from one address to what anyone may call (metrics, documentation) gets 429; health checks are not limited',
  ),
  row('METRICS_ACCESS', '', 'anyone', 'Or `reader`: /metrics needs an API key'),
  row('LOG_LEVEL', '', 'info', 'trace, debug, info, warn, error, fatal or silent'),
] as const satisfies readonly SettingRow[];

export type SettingName = (typeof SETTINGS)[number]['name'];

/** PEM, as read at start, and where it may be renewed. */
export interface TlsSettings {
  readonly certificate: string;
  readonly key: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Calls in a second, at one replica. */
export interface CallLimits {
  readonly keyRequestsPerSecond: number;
  /** From one address, to what anyone may call. */
  readonly strangerRequestsPerSecond: number;
}

export interface ProxySettings {
  readonly trustedProxies: TrustedProxies;
  /** Whether each connection begins with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  /** The header in which they name their clients. */
  readonly proxyHeader: 'any' | 'forwarded' | 'x-forwarded-for';
}

export interface Settings {
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly mostConnections: number;
    readonly tls: TlsSettings | null;
  } & ProxySettings;
  readonly dataDirectory: string;
  /** Null: a private database. */
  readonly database: DatabaseSettings | null;
  readonly databaseConnections: number;
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
  readonly metricsNeedReader: boolean;
  readonly logLevel: string;
}

/** With names of the greatest length, some megabytes of statement. */
const MAX_SERVICES_IN_GROUP = 2_000;
/** The promise of the clean-up: gone within 15 minutes. */
const LONGEST_REMOVAL_SECONDS = 900;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** The settings contradict each other or themselves; the message has a line for each fault, by name. */
export class SettingsError extends Error {}

export interface SettingsSource {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly insecure: boolean;
  /** Three parts, as in package.json. */
  readonly packageVersion: string;
}

/** @throws SettingsError that names every variable that cannot be used. */
export function readSettings({ environment, insecure, packageVersion }: SettingsSource): Settings {
  const faults: string[] = [];
  const fault = (message: string): void => void faults.push(message);
  const file = environment['CONFIG_FILE'];
  const fromFile = file ? (readOrFault('CONFIG_FILE', file, fault, namedValues) ?? {}) : {};
  const known = new Set<string>(SETTINGS.map(({ name }) => name));
  for (const name of Object.keys(fromFile)) if (!known.has(name)) fault(`${name} in CONFIG_FILE is no setting`);

  const text = (name: SettingName): string =>
    environment[name]?.trim() ||
    fromFile[name]?.trim() ||
    SETTINGS.find((setting) => setting.name === name)?.byDefault ||
    '';
  const integer = (name: SettingName, least: number, most: number): number => {
    const value = text(name);
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most)
      fault(`${name} must be a whole number from ${least} to ${most}, not "${value}"`);
    return number;
  };
  const oneOf = <Choice extends string>(name: SettingName, choices: readonly Choice[]): Choice => {
    const value = text(name) as Choice;
    if (!choices.includes(value)) fault(`${name} must be one of ${choices.join(', ')}, not "${value}"`);
    return value;
  };

  const cleanUp = {
    graceSeconds: integer('CLEAN_UP_GRACE_SECONDS', 0, 900),
    intervalSeconds: integer('CLEAN_UP_INTERVAL_SECONDS', 1, 450),
  };
  if (cleanUp.graceSeconds + 2 * cleanUp.intervalSeconds > LONGEST_REMOVAL_SECONDS) {
    fault(
      `CLEAN_UP_GRACE_SECONDS plus twice CLEAN_UP_INTERVAL_SECONDS exceeds ${LONGEST_REMOVAL_SECONDS} s: a decommissioned entry must be gone within 15 minutes`,
    );
  }
  const certificateFile = text('TLS_CERTIFICATE_FILE');
  const keyFile = text('TLS_KEY_FILE');
  if (Boolean(certificateFile) !== Boolean(keyFile)) fault('TLS_CERTIFICATE_FILE and TLS_KEY_FILE go together');
  const certificate = certificateFile && readOrFault('TLS_CERTIFICATE_FILE', certificateFile, fault);
  const key = keyFile && readOrFault('TLS_KEY_FILE', keyFile, fault);
  for (const [name, content] of [
    ['TLS_CERTIFICATE_FILE', certificate],
    ['TLS_KEY_FILE', key],
  ] as const) {
    if (content !== null && text(name) && !content.trim()) fault(`${name}: the file is empty`);
  }
  if (certificate?.trim() && key?.trim()) mustServeTls(certificate, key, fault);
  if (text('DATABASE_PASSWORD_FILE') && !text('DATABASE_URL')) fault('DATABASE_PASSWORD_FILE goes with DATABASE_URL');
  const proxyProtocol = oneOf('PROXY_PROTOCOL', ['off', 'required']) === 'required';
  if (proxyProtocol && !text('TRUSTED_PROXIES'))
    fault('PROXY_PROTOCOL needs TRUSTED_PROXIES: headers of other addresses are refused');
  const host = text('HTTP_HOST');
  if (!isLoopback(host) && !certificateFile && !insecure) {
    fault(`HTTP_HOST ${host} is not loopback: give TLS_CERTIFICATE_FILE and TLS_KEY_FILE, or start with --insecure`);
  }
  const versionText =
    environment['CONFIGURATION_SERVER_VERSION'] || fromFile['CONFIGURATION_SERVER_VERSION'] || `${packageVersion}.0`;
  const version = parseVersion(versionText);
  if (!version) fault(`CONFIGURATION_SERVER_VERSION must have four numbers, e.g. 9.63.7187.1, not "${versionText}"`);

  const settings: Settings = {
    http: {
      host,
      port: integer('HTTP_PORT', 0, 65_535),
      mostConnections: integer('HTTP_CONNECTIONS', 10, 1_000_000),
      tls: certificate && key ? { certificate, key, certificateFile, keyFile } : null,
      trustedProxies: trustedProxies(text('TRUSTED_PROXIES'), fault),
      proxyProtocol,
      proxyHeader: oneOf('TRUSTED_PROXY_HEADER', ['any', 'forwarded', 'x-forwarded-for']),
    },
    dataDirectory: text('DATA_DIRECTORY'),
    database: text('DATABASE_URL')
      ? databaseSettings(
          text('DATABASE_URL'),
          text('DATABASE_PASSWORD_FILE'),
          (name, path) => readOrFault(name, path, fault),
          fault,
        )
      : null,
    databaseConnections: integer('DATABASE_CONNECTIONS', 1, 200),
    lease: {
      heartbeatIntervalSeconds: integer('HEARTBEAT_INTERVAL_SECONDS', 1, 3_600),
      leaseSeconds: integer('LEASE_SECONDS', 1, 86_400),
      heartbeatsPerSecondCeiling: integer('HEARTBEATS_PER_SECOND_CEILING', 1, 1_000_000),
    },
    heartbeats: {
      queueLength: integer('HEARTBEAT_QUEUE_LENGTH', 1, 1_000_000),
      groupSize: integer('HEARTBEAT_GROUP_SIZE', 1, 1_000),
      perServerPerSecond: integer('HEARTBEATS_PER_SERVER_PER_SECOND', 2, 1_000),
      servicesInGroup: MAX_SERVICES_IN_GROUP,
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
      keyRequestsPerSecond: integer('API_KEY_REQUESTS_PER_SECOND', 1, 1_000_000),
      strangerRequestsPerSecond: integer('ANONYMOUS_REQUESTS_PER_SECOND', 1, 1_000_000),
    },
    metricsNeedReader: oneOf('METRICS_ACCESS', ['anyone', 'reader']) === 'reader',
    logLevel: oneOf('LOG_LEVEL', LOG_LEVELS),
  };
  if (faults.length > 0)
    throw new SettingsError(`These settings cannot be used:\n${faults.map((line) => `  ${line}`).join('\n')}`);
  return settings;
}

/** @throws Error that names the first line that says nothing. */
function namedValues(content: string): Record<string, string | undefined> {
  const strange = content.split('\n').findIndex((line) => !/^\s*(#|$|[A-Za-z_]\w*\s*=)/.test(line));
  if (strange >= 0) throw new Error(`line ${strange + 1} is no NAME=value`);
  return parseEnv(content);
}

function mustServeTls(cert: string, key: string, fault: (message: string) => void): void {
  try {
    usableTlsPair(cert, key);
  } catch (error) {
    fault(`TLS_CERTIFICATE_FILE and TLS_KEY_FILE cannot be used: ${errorMessage(error)}`);
  }
}

function trustedProxies(text: string, fault: (message: string) => void): TrustedProxies {
  try {
    return TrustedProxies.parse(text);
  } catch (error) {
    fault(`TRUSTED_PROXIES: ${errorMessage(error)}`);
    return TrustedProxies.parse('');
  }
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

function readOrFault(name: string, path: string, fault: (message: string) => void): string | null;
function readOrFault<Parsed>(
  name: string,
  path: string,
  fault: (message: string) => void,
  parse: (text: string) => Parsed,
): Parsed | null;
function readOrFault<Parsed>(
  name: string,
  path: string,
  fault: (message: string) => void,
  parse?: (text: string) => Parsed,
): string | Parsed | null {
  try {
    const content = readTextFile(path);
    return parse ? parse(content) : content;
  } catch (error) {
    fault(`${name}: ${errorMessage(error)}`);
    return null;
  }
}

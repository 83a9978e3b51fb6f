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
  setting(
    'PUBLIC_URL',
    '',
    '',
    'Comma-separated URLs at which process servers reach the configuration server, with one scheme and port, for enrolments; by default the listening address, or those of all network interfaces',
  ),
  setting('DATA_DIRECTORY', '', '.data', 'Directory of the passphrase, the first admin key and the private database'),
  setting(
    'PACKAGES_DIRECTORY',
    '',
    '',
    'Directory of the packages that the server sends itself (docs/releases.md); every replica needs the same files',
  ),
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
  setting(
    'HEALTH_WINDOW_SECONDS',
    's',
    '900',
    'A signal is raised after this time above its threshold, and cleared after a third of it; older reports are Unknown, longer silence is Critical. At least three times LEASE_SECONDS',
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
    'MONITOR_INTERVAL_SECONDS',
    's',
    '10',
    'Time between two runs of the monitor, which writes transitions as events',
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

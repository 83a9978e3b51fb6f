/** An option in both spellings: `--name` and, for what the original installer knows, `/Installer`. */
export interface OptionDefinition {
  readonly name: string;
  /** Placeholder of the value in the help; null for a flag. */
  readonly value: string | null;
  readonly meaning: string;
  /** The name in the spelling of the original installer. */
  readonly installer?: string;
  /** Another name of the same option. */
  readonly alias?: string;
}

export const COMMON_OPTIONS: readonly OptionDefinition[] = [
  { name: 'json', value: null, meaning: 'prints the result as one JSON object' },
  { name: 'help', value: null, meaning: 'prints this help' },
];

const PROXY_OPTIONS: readonly OptionDefinition[] = [
  {
    name: 'proxy-settings-file',
    value: 'FILE',
    meaning: 'settings of the proxy, as the original installer reads them',
    installer: 'ProxySettingsFilePath',
  },
  { name: 'bypass-proxy', value: null, meaning: 'connects directly (default)', installer: 'BypassProxy' },
];

/** What is needed to reach and to convince the configuration server. */
const CONNECTION_OPTIONS: readonly OptionDefinition[] = [
  {
    name: 'cs-address',
    value: 'NAME',
    meaning: 'name or address of the configuration server; http://NAME:PORT only on loopback',
    installer: 'CSIP',
  },
  { name: 'cs-port', value: 'PORT', meaning: 'its port (443)' },
  { name: 'ca-file', value: 'FILE', meaning: 'certificates to trust instead of those of the system, in PEM' },
  {
    name: 'passphrase-file',
    value: 'FILE',
    meaning: 'file with the passphrase of the site',
    installer: 'PassphraseFilePath',
  },
  {
    name: 'vault-creds-file',
    value: 'FILE',
    meaning: 'enrolment file of the configuration server',
    installer: 'VaultCredsFilePath',
    alias: 'enrolment-file',
  },
  ...PROXY_OPTIONS,
];

/** Facts of the machine that it cannot find out, or that differ from what it finds. */
const MACHINE_OPTIONS: readonly OptionDefinition[] = [
  { name: 'name', value: 'NAME', meaning: 'display name (host name)' },
  {
    name: 'ps-ip',
    value: 'ADDRESS',
    meaning: 'address at which protected machines reach it (the first of the machine)',
    installer: 'PSIP',
  },
  {
    name: 'data-port',
    value: 'PORT',
    meaning: 'port of the data channel, never 443 (9443)',
    installer: 'DataTransferSecurePort',
  },
  {
    name: 'env-type',
    value: 'TYPE',
    meaning: 'kind of the protected machines: VMware (default) or NonVMware',
    installer: 'EnvType',
  },
  {
    name: 'install-location',
    value: 'FOLDER',
    meaning: 'folder on the cache disk (the state folder)',
    installer: 'InstallDrive',
  },
  { name: 'services', value: 'NAMES', meaning: 'services to report, separated by commas' },
  { name: 'certificate-file', value: 'FILE', meaning: 'certificate whose expiry is reported, in PEM' },
  { name: 'machine-id-file', value: 'FILE', meaning: 'identity of the machine (/etc/machine-id)' },
];

export const INSTALL_OPTIONS: readonly OptionDefinition[] = [
  ...CONNECTION_OPTIONS,
  ...MACHINE_OPTIONS,
  {
    name: 'skip-space-check',
    value: null,
    meaning: 'installs although less than 5 GB are free',
    installer: 'SkipSpaceCheck',
  },
  {
    name: 'accept-third-party-eula',
    value: null,
    meaning: 'accepted for compatibility; no licence is asked',
    installer: 'AcceptThirdpartyEULA',
  },
  { name: 'server-mode', value: 'PS', meaning: 'accepted for compatibility; only PS', installer: 'ServerMode' },
];

export const REREGISTER_OPTIONS: readonly OptionDefinition[] = [...CONNECTION_OPTIONS, ...MACHINE_OPTIONS];
export const SET_PROXY_OPTIONS = PROXY_OPTIONS;
export const CHECK_OPTIONS = REREGISTER_OPTIONS;
export const UNREGISTER_OPTIONS: readonly OptionDefinition[] = [
  { name: 'wait', value: null, meaning: 'returns when the entry is gone, at most 15 minutes later' },
  { name: 'force', value: null, meaning: 'although machines are protected through it; requires --reason' },
  { name: 'reason', value: 'TEXT', meaning: 'reason for the audit log' },
];
export const RESET_OPTIONS: readonly OptionDefinition[] = [
  { name: 'force', value: null, meaning: 'although it is registered: the entry then has to be purged' },
];

/** Options of the original installer that belong to another kind of server, with the reason of their rejection. */
export const FOREIGN_INSTALLER_OPTIONS: Readonly<Record<string, string>> = {
  mysqlcredsfilepath: 'is an option of configuration servers: a process server has no database',
};

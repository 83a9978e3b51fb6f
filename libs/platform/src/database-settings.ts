import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { databasePassword } from './database-password.js';
import { errorMessage } from '@app/system';
import { validateTlsPair } from './tls-pair.js';

/** The TLS options of the database driver. */
export interface DatabaseTlsSettings {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
  readonly verifyIdentity: boolean;
}

interface DatabaseLogin {
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface DatabaseHostSettings {
  readonly host: string;
  readonly port: number;
}

/** A server with a Unix socket, one with TCP, or several of which one accepts writes at a time. */
export type DatabaseSettings =
  | (DatabaseLogin & { readonly socketPath: string })
  | (DatabaseLogin &
      DatabaseHostSettings & { readonly others: readonly DatabaseHostSettings[]; readonly ssl?: DatabaseTlsSettings });

type AddError = (message: string) => void;
/** Reads a text file; returns null and reports an error by name when it cannot be read. */
export type ReadFile = (name: string, path: string) => string | null;

const MODES = ['required', 'verify-ca', 'verify-identity'];
const FILES = ['sslCa', 'sslCert', 'sslKey'] as const;
/** The supported parameters; others are rejected, because ignoring them would mislead. */
const PARAMETERS = new Set(['socket', 'ssl', ...FILES]);
const FORM =
  'mysql://user@host:port/database (further hosts after commas) or mysql://user@localhost/database?socket=/path';

/** Null after an error. */
export function databaseSettings(
  urlText: string,
  passwordFile: string,
  read: ReadFile,
  addError: AddError,
): DatabaseSettings | null {
  const urls = parseHostUrls(urlText);
  const [url] = urls;
  const database = decoded(url?.pathname.slice(1));
  const [user, password] = [decoded(url?.username), decoded(url?.password)];
  const socketPath = url?.searchParams.get('socket') ?? null;
  const usable =
    urls.length > 0 &&
    urls.every(({ protocol, hostname }) => /^(mysql|mariadb):$/.test(protocol) && hostname) &&
    database &&
    !database.includes('/');
  if (!url || !usable || user === null || password === null || (socketPath !== null && !socketPath.startsWith('/'))) {
    addError(`DATABASE_URL must have the form ${FORM}`);
    return null;
  }
  const unknown = [...url.searchParams.keys()].filter((name) => !PARAMETERS.has(name));
  if (unknown.length > 0)
    addError(`DATABASE_URL: ${unknown.join(', ')} is not a parameter; valid ones are ${[...PARAMETERS].join(', ')}`);
  const fromFile = passwordFile ? read('DATABASE_PASSWORD_FILE', passwordFile) : null;
  const login = { user, password: fromFile === null ? password : passwordIn(fromFile, user, addError), database };
  if (socketPath !== null) {
    if (urls.length > 1) addError('DATABASE_URL: a socket allows only one host');
    if (url.searchParams.has('ssl')) addError('DATABASE_URL: ssl requires a host, not a socket');
    return { ...login, socketPath };
  }
  const [first, ...others] = urls.map(({ hostname, port }) => ({
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || 3306),
  }));
  if (!first) return null;
  const ssl = tlsSettings(url.searchParams, [first, ...others], read, addError);
  return { ...login, ...first, others, ...(ssl && { ssl }) };
}

/** Parses `mysql://user@h1:1,h2:2/name?ssl=required` into a URL for each host; empty when one is invalid. */
function parseHostUrls(text: string): URL[] {
  const [, prefix, hosts, end] = /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/i.exec(text) ?? [];
  const texts = (hosts ?? '').split(',').map((host) => `${prefix}${host}${end}`);
  return texts.every((each) => URL.canParse(each)) ? texts.map((each) => new URL(each)) : [];
}

function tlsSettings(
  parameters: URLSearchParams,
  hosts: readonly DatabaseHostSettings[],
  read: ReadFile,
  addError: AddError,
): DatabaseTlsSettings | null {
  const mode = parameters.get('ssl');
  const addUrlError = (message: string): void => addError(`DATABASE_URL: ${message}`);
  if (mode === null) {
    for (const name of FILES)
      if (parameters.has(name)) addUrlError(`${name} requires ssl=required, verify-ca or verify-identity`);
    return null;
  }
  if (!MODES.includes(mode)) addUrlError(`ssl must be one of ${MODES.join(', ')}, not "${mode}"`);
  const textOf = (name: string, path: string): string => {
    const text = read(name, path);
    if (text !== null && !text.trim()) addError(`${name}: the file is empty`);
    return text?.trim() ?? '';
  };
  const [ca, cert, key] = FILES.map((name) => {
    const path = parameters.get(name);
    return path === null ? undefined : textOf(`DATABASE_URL: ${name}`, path);
  });
  if (mode.startsWith('verify-') && ca === undefined)
    addUrlError(`ssl=${mode} needs sslCa, the certificate of the authority that signed the server's`);
  if ((cert === undefined) !== (key === undefined)) addUrlError('sslCert and sslKey require each other');
  if (ca) assertUsable('sslCa contains no certificate', () => new X509Certificate(ca), addUrlError);
  if (cert && key) assertUsable('sslCert and sslKey cannot be used', () => validateTlsPair(cert, key), addUrlError);
  const verifyIdentity = mode === 'verify-identity';
  const address = hosts.find(({ host }) => isIP(host) !== 0);
  // The driver would compare the certificate with "localhost".
  if (verifyIdentity && address)
    addUrlError(`ssl=verify-identity needs the name of the server, not the address ${address.host}`);
  return {
    ...(mode !== 'required' && ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    rejectUnauthorized: mode !== 'required',
    verifyIdentity,
  };
}

function assertUsable(message: string, parse: () => unknown, addError: AddError): void {
  try {
    parse();
  } catch (error) {
    addError(`${message}: ${errorMessage(error)}`);
  }
}

function passwordIn(text: string, user: string, addError: AddError): string {
  try {
    return databasePassword(text, user);
  } catch (error) {
    addError(`DATABASE_PASSWORD_FILE: ${errorMessage(error)}`);
    return '';
  }
}

/** Null when a `%` is not a valid escape. */
function decoded(part: string | undefined): string | null {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    return null;
  }
}

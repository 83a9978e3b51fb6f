import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readServerSettings, readSettings, SettingsError } from './settings.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (environment: Record<string, string>, insecure = false) =>
  readSettings({ environment, insecure, packageVersion: '1.2.3' });
const file = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

function errorsOf(environment: Record<string, string>): string[] {
  try {
    read(environment);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
}

describe('settings', () => {
  it('have valid defaults', () => {
    expect(read({})).toMatchObject({
      http: { host: '127.0.0.1', port: 8080 },
      database: null,
      packagesDirectory: null,
      version: { major: 1, minor: 2, build: 3, revision: 0 },
    });
  });

  it.each([
    [{ HTTP_PORT: '65536' }, 'HTTP_PORT must be a whole number from 0 to 65535'],
    [{ LEASE_SECONDS: '1.5' }, 'LEASE_SECONDS must be a whole number'],
    [{ LEASE_SECONDS: '301' }, 'HEALTH_WINDOW_SECONDS is less than 3 times LEASE_SECONDS'],
    [{ HEALTH_WINDOW_SECONDS: '539' }, 'HEALTH_WINDOW_SECONDS is less than 3 times LEASE_SECONDS'],
    [
      { MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1' },
      'MAX_HEARTBEATS_PER_SERVER_PER_SECOND must be a whole number from 2',
    ],
    [{ CLEAN_UP_GRACE_SECONDS: '781' }, 'CLEAN_UP_GRACE_SECONDS plus twice CLEAN_UP_INTERVAL_SECONDS exceeds 900 s'],
    [{ VERSION_POLICY: 'newest' }, 'VERSION_POLICY must be one of same-or-earlier, exact'],
    [{ CONFIGURATION_SERVER_VERSION: '9.63' }, 'CONFIGURATION_SERVER_VERSION must have four numbers'],
    [{ HTTP_HOST: '192.0.2.1' }, 'HTTP_HOST 192.0.2.1 is not loopback'],
    [{ TLS_KEY_FILE: '/no/such/file' }, 'TLS_CERTIFICATE_FILE and TLS_KEY_FILE require each other'],
    [{ DATABASE_URL: 'postgres://u@h/d' }, 'DATABASE_URL must have the form mysql://'],
    [{ DATABASE_PASSWORD_FILE: '/no/such/file' }, 'DATABASE_PASSWORD_FILE requires DATABASE_URL'],
    [
      { TRUSTED_PROXIES: '10.0.0.0/8, proxy.example' },
      'TRUSTED_PROXIES: "proxy.example" is neither an address nor a CIDR network',
    ],
    [{ PROXY_PROTOCOL: 'required' }, 'PROXY_PROTOCOL requires TRUSTED_PROXIES'],
    [{ PROXY_PROTOCOL: 'v2' }, 'PROXY_PROTOCOL must be one of off, required'],
    [{ TRUSTED_PROXY_HEADER: 'via' }, 'TRUSTED_PROXY_HEADER must be one of any, forwarded, x-forwarded-for'],
    [{ PACKAGES_DIRECTORY: '/no/such/folder' }, 'PACKAGES_DIRECTORY /no/such/folder is not a directory'],
    [{ PACKAGES_DIRECTORY: '/etc/passwd' }, 'PACKAGES_DIRECTORY /etc/passwd is not a directory'],
    [{ PACKAGES_DIRECTORY: '/tmp', DATA_DIRECTORY: '/tmp/.' }, 'PACKAGES_DIRECTORY must not be DATA_DIRECTORY'],
    [{ CONFIG_FILE: '/no/such/file' }, 'CONFIG_FILE: ENOENT'],
  ])('%j are rejected: %s', (environment, error) => {
    expect(errorsOf(environment).join('\n')).toContain(error);
  });

  it('of a server need DATABASE_URL, and name it together with what else is wrong', () => {
    const readForServer = (environment: Record<string, string>) =>
      readServerSettings({ environment, insecure: false, packageVersion: '1.2.3' });
    expect(() => readForServer({ HTTP_PORT: '-1' })).toThrow(/DATABASE_URL is not set.*npm start[^]*HTTP_PORT must be/);
    expect(readForServer({ DATABASE_URL: 'mysql://u@h/d' }).database).toMatchObject({ host: 'h', user: 'u' });
  });

  it('are refused for a certificate that is none', () => {
    const text = file('text', 'no certificate');
    expect(errorsOf({ TLS_CERTIFICATE_FILE: text, TLS_KEY_FILE: text })).toEqual([
      expect.stringMatching(/^TLS_CERTIFICATE_FILE and TLS_KEY_FILE cannot be used/),
    ]);
  });

  it('are rejected by name for an empty certificate or key', () => {
    const [empty, blank] = [file('empty', ''), file('blank', ' \n\t\n')];
    expect(errorsOf({ TLS_CERTIFICATE_FILE: empty, TLS_KEY_FILE: blank })).toEqual([
      'TLS_CERTIFICATE_FILE: the file is empty',
      'TLS_KEY_FILE: the file is empty',
    ]);
  });

  it('are rejected for a key that does not belong to the certificate, also one of another kind', async () => {
    const own = await generate([], { algorithm: 'sha256', keyType: 'ec' });
    for (const other of [
      await generate([], { algorithm: 'sha256', keyType: 'ec' }),
      await generate([], { algorithm: 'sha256', keyType: 'rsa' }),
    ]) {
      expect(
        errorsOf({ TLS_CERTIFICATE_FILE: file('certificate', own.cert), TLS_KEY_FILE: file('key', other.private) }),
      ).toEqual(['TLS_CERTIFICATE_FILE and TLS_KEY_FILE cannot be used: the key does not belong to the certificate']);
    }
    expect(
      read({ TLS_CERTIFICATE_FILE: file('certificate', own.cert), TLS_KEY_FILE: file('key', own.private) }).http.tls,
    ).toMatchObject({ certificate: own.cert, key: own.private });
  });

  it.each([
    ['HTTP_PORT=1\nnonsense line\n', 'CONFIG_FILE: line 2 is not NAME=value'],
    ['HTTP_PROT=1\n', 'HTTP_PROT in CONFIG_FILE is not a setting'],
  ])('from a file with %j are rejected', (content, error) => {
    expect(errorsOf({ CONFIG_FILE: file('settings', content) })).toEqual([error]);
  });

  it('are read from files with a byte order mark and Windows line ends', async () => {
    const { cert, private: key } = await generate([], { algorithm: 'sha256', keyType: 'ec' });
    const marked = (name: string, text: string): string => file(name, `\ufeff${text.replaceAll('\n', '\r\n')}`);
    const environment = {
      TLS_CERTIFICATE_FILE: marked('certificate', cert),
      TLS_KEY_FILE: marked('key', key),
      DATABASE_PASSWORD_FILE: marked('password', 'päss word\n'),
    };
    const settings = read({
      ...environment,
      CONFIG_FILE: marked('settings', 'HTTP_PORT=1\n\n# a comment\nLEASE_SECONDS="240"\nDATABASE_URL=mysql://u@h/d\n'),
    });
    expect(settings).toMatchObject({
      http: { port: 1 },
      lease: { leaseSeconds: 240 },
      database: { host: 'h', database: 'd', password: 'päss word' },
    });
    expect(settings.http.tls?.certificate).toMatch(/^-----BEGIN CERTIFICATE-----\r\n/);
  });

  it.each(['CONFIG_FILE', 'TLS_CERTIFICATE_FILE', 'TLS_KEY_FILE', 'DATABASE_PASSWORD_FILE'])(
    'are rejected by name from a file in UTF-16: %s',
    (name) => {
      const utf16 = file('utf16', Buffer.from('\ufeffHTTP_PORT=1\r\n', 'utf16le'));
      expect(errorsOf({ DATABASE_URL: 'mysql://u@h/d', [name]: utf16 })).toContainEqual(
        expect.stringMatching(`^${name}: the file is in UTF-16; save it as UTF-8`),
      );
    },
  );

  it('of the environment override those of a file', () => {
    const path = file('settings', '# a comment\n\nHTTP_PORT=1\nLEASE_SECONDS="240"\n');
    expect(read({ CONFIG_FILE: path, HTTP_PORT: '2' })).toMatchObject({
      http: { port: 2 },
      lease: { leaseSeconds: 240 },
    });
  });
});

import { beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { databaseSettings, type DatabaseSettings } from './database-settings.js';

const files = new Map<string, string>();
beforeAll(async () => {
  const [ca, other] = [await generate([], { algorithm: 'sha256' }), await generate([], { algorithm: 'sha256' })];
  const contents = {
    '/ca.pem': ca.cert,
    '/key.pem': ca.private,
    '/other-key.pem': other.private,
    '/text': 'no certificate',
    '/empty': ' \n',
    '/password': 'secret\n',
    '/ini': '[MySQLCredentials]\n',
  };
  for (const [path, text] of Object.entries(contents)) files.set(path, text);
});

function read(url: string, passwordFile = ''): { settings: DatabaseSettings | null; errors: string[] } {
  const errors: string[] = [];
  const error = (message: string): void => void errors.push(message);
  const readFile = (name: string, path: string): string | null =>
    files.get(path) ?? (error(`${name}: no file ${path}`), null);
  return { settings: databaseSettings(url, passwordFile, readFile, error), errors };
}

const LOGIN = { user: 'fleet', password: 'secret', database: 'cs' };

describe('DATABASE_URL', () => {
  it.each([
    ['mysql://fleet:secret@db/cs', { ...LOGIN, host: 'db', port: 3306, others: [] }],
    ['mariadb://fleet:s%40%2C%2F@[::1]:3307/cs', { ...LOGIN, password: 's@,/', host: '::1', port: 3307, others: [] }],
    [
      'mysql://fleet:secret@h1:3306,h2:3307,h3/cs',
      {
        ...LOGIN,
        host: 'h1',
        port: 3306,
        others: [
          { host: 'h2', port: 3307 },
          { host: 'h3', port: 3306 },
        ],
      },
    ],
    [
      'mysql://fleet:a@b,c@h1,[::1]:3307/cs',
      { ...LOGIN, password: 'a@b,c', host: 'h1', port: 3306, others: [{ host: '::1', port: 3307 }] },
    ],
    ['mysql://fleet:secret@localhost/cs?socket=/run/my.sock', { ...LOGIN, socketPath: '/run/my.sock' }],
    [
      'mysql://fleet:secret@db/cs?ssl=required',
      { ...LOGIN, host: 'db', port: 3306, others: [], ssl: { rejectUnauthorized: false, verifyIdentity: false } },
    ],
  ])('%s is read', (url, settings) => {
    expect(read(url)).toEqual({ settings, errors: [] });
  });

  it('with TLS reads the certificates from their files', () => {
    const ca = files.get('/ca.pem')?.trim();
    const key = files.get('/key.pem')?.trim();
    expect(read('mysql://fleet@db/cs?ssl=verify-ca&sslCa=/ca.pem')).toMatchObject({
      errors: [],
      settings: { ssl: { ca, rejectUnauthorized: true, verifyIdentity: false } },
    });
    expect(read('mysql://fleet@db/cs?ssl=verify-identity&sslCa=/ca.pem&sslCert=/ca.pem&sslKey=/key.pem')).toMatchObject(
      { errors: [], settings: { ssl: { ca, cert: ca, key, rejectUnauthorized: true, verifyIdentity: true } } },
    );
    expect(read('mysql://fleet@db/cs?ssl=required&sslCa=/ca.pem').settings).toMatchObject({
      ssl: { rejectUnauthorized: false },
    });
  });

  it('reads the password from a file', () => {
    expect(read('mysql://fleet:other@db/cs', '/password')).toMatchObject({ errors: [], settings: LOGIN });
  });

  it.each([
    ['postgres://fleet@db/cs', 'must have the form mysql://'],
    ['mysql://fleet@db', 'must have the form mysql://'],
    ['mysql://fleet@h1,,h2/cs', 'must have the form mysql://'],
    ['mysql://fleet@h1:99999,h2/cs', 'must have the form mysql://'],
    ['mysql://fleet:%zz@db/cs', 'must have the form mysql://'],
    [
      'mysql://fleet@db/cs?sslmode=required',
      'sslmode is not a parameter; valid ones are socket, ssl, sslCa, sslCert, sslKey',
    ],
    ['mysql://fleet@h1,h2/cs?socket=/run/my.sock', 'a socket allows only one host'],
    ['mysql://fleet@localhost/cs?socket=/run/my.sock&ssl=required', 'ssl requires a host, not a socket'],
    ['mysql://fleet@db/cs?ssl=true', 'ssl must be one of required, verify-ca, verify-identity, not "true"'],
    ['mysql://fleet@db/cs?sslCa=/ca.pem', 'sslCa requires ssl=required, verify-ca or verify-identity'],
    ['mysql://fleet@db/cs?ssl=verify-ca', 'ssl=verify-ca needs sslCa'],
    ['mysql://fleet@db/cs?ssl=verify-ca&sslCa=/absent', 'DATABASE_URL: sslCa: no file /absent'],
    ['mysql://fleet@db/cs?ssl=verify-ca&sslCa=/empty', 'DATABASE_URL: sslCa: the file is empty'],
    ['mysql://fleet@db/cs?ssl=verify-ca&sslCa=/text', 'DATABASE_URL: sslCa contains no certificate'],
    ['mysql://fleet@db/cs?ssl=required&sslCert=/ca.pem', 'sslCert and sslKey require each other'],
    [
      'mysql://fleet@db/cs?ssl=required&sslCert=/ca.pem&sslKey=/other-key.pem',
      'sslCert and sslKey cannot be used: the key does not belong to the certificate',
    ],
    [
      'mysql://fleet@192.0.2.1/cs?ssl=verify-identity&sslCa=/ca.pem',
      'ssl=verify-identity needs the name of the server, not the address 192.0.2.1',
    ],
  ])('%s is rejected: %s', (url, error) => {
    expect(read(url).errors).toEqual([expect.stringContaining(error)]);
  });

  it('with a password file without the password is rejected', () => {
    expect(read('mysql://fleet@db/cs', '/ini').errors).toEqual([
      'DATABASE_PASSWORD_FILE: MySQLUserPassword is missing in [MySQLCredentials]',
    ]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { databasePassword } from './database-password.js';

describe('databasePassword', () => {
  it.each([
    ['alone', 'secret\n', 'secret'],
    ['alone, after a byte order mark', '\uFEFFsecret\r\n', 'secret'],
    ['alone, with special characters of INI files', '[a]=#b;c', '[a]=#b;c'],
    ['in its section', '[MySQLCredentials]\nMySQLUserPassword = "secret"\n', 'secret'],
    [
      'with Windows lines and a byte order mark',
      '\uFEFF[MySQLCredentials]\r\nMySQLRootPassword = "other"\r\nMySQLUserPassword = "secret"\r\n',
      'secret',
    ],
    ['with # and ; in it', '[MySQLCredentials]\nMySQLUserPassword=a#b;c', 'a#b;c'],
    ['with quotes in it', '[MySQLCredentials]\nMySQLUserPassword = "a"b"', 'a"b'],
    ['with blanks kept by quotes', '[MySQLCredentials]\nMySQLUserPassword = " a = b "', ' a = b '],
    ['in single quotes', "[MySQLCredentials]\nMySQLUserPassword = 'secret'", 'secret'],
    [
      'among comments and other sections',
      '; a comment\n[Other]\nMySQLUserPassword = no\n[ mysqlcredentials ]\n# MySQLUserPassword = no\nmysqluserpassword = yes\n[Last]\nMySQLUserPassword = no',
      'yes',
    ],
    ['empty', '[MySQLCredentials]\nMySQLUserPassword = ""', ''],
  ])('%s', (_what, content, password) => {
    expect(databasePassword(content, 'fleet')).toBe(password);
  });

  it('returns MySQLRootPassword for root', () => {
    expect(
      databasePassword('[MySQLCredentials]\nMySQLRootPassword = "top"\nMySQLUserPassword = "secret"', 'root'),
    ).toBe('top');
  });

  it.each([
    ['fleet', 'MySQLUserPassword is missing in [MySQLCredentials]'],
    ['root', 'MySQLRootPassword is missing in [MySQLCredentials]'],
  ])('names the missing key for %s', (user, message) => {
    expect(() => databasePassword('[MySQLCredentials]\nMySQLPassword = "secret"', user)).toThrow(message);
  });
});

import { describe, expect, it } from '@jest/globals';
import { parseProxySettings, ProxySettingsError } from './proxy-settings-file.js';

const LINES = [
  '[ProxySettings]',
  'ProxyAuthentication = "Yes"',
  'Proxy IP = "192.0.2.8"',
  'ProxyPort = "3128"',
  'ProxyUserName="CONTOSO\\ps"',
  'ProxyPassword="a\\b;c#d"e"',
];
const SETTINGS = { address: '192.0.2.8', port: 3128, login: { user: 'CONTOSO\\ps', password: 'a\\b;c#d"e' } };
const withLine = (index: number, line: string): string => LINES.with(index, line).join('\n');

describe('parseProxySettings', () => {
  it.each([
    ['as the original prints it', LINES.join('\n')],
    ['with a bullet on each line', LINES.map((line) => `* ${line}`).join('\n')],
    ['with an indented bullet', LINES.map((line) => `  * ${line}`).join('\n')],
    ['with CRLF and a byte order mark', `\ufeff${LINES.join('\r\n')}\r\n`],
    ['with comments and empty lines', ['; a', '# b', '', ...LINES, ' ; c'].join('\n')],
    ['in other letter case, with other spaces', withLine(2, '  PROXY   ip="192.0.2.8"  ')],
    ['without quotes', withLine(5, 'ProxyPassword = a\\b;c#d"e')],
    ['with another section before and after', ['[Other]', 'x = 1', ...LINES, '[More]', 'Proxy IP = "x"'].join('\n')],
  ])('reads the file %s', (_form, text) => {
    expect(parseProxySettings(text)).toEqual(SETTINGS);
  });

  it.each([
    ['a single quote sign', 'ProxyPassword="', '"'],
    ['spaces inside quotes', 'ProxyPassword=" a "', ' a '],
    ['an equals sign', 'ProxyPassword="a=b"', 'a=b'],
    ['escapes, which stand for themselves', 'ProxyPassword="\\n\\"', '\\n\\'],
    ['a comment sign at its start', 'ProxyPassword=";#"', ';#'],
  ])('reads a password with %s', (_what, line, password) => {
    expect(parseProxySettings(withLine(5, line)).login?.password).toBe(password);
  });

  it('reads no login without authentication, whether or not it is in the file', () => {
    expect(parseProxySettings(withLine(1, 'ProxyAuthentication = "No"')).login).toBeNull();
    const bare = LINES.slice(0, 4).with(1, 'ProxyAuthentication = "no"').join('\n');
    expect(parseProxySettings(bare)).toEqual({ ...SETTINGS, login: null });
  });

  it.each([
    ['', 'ProxyAuthentication is missing'],
    [LINES.slice(1).join('\n'), 'ProxyAuthentication is missing'],
    [withLine(1, 'ProxyAuthentication = "Yes/No"'), 'ProxyAuthentication must be Yes or No'],
    [withLine(2, 'ProxyIP = "192.0.2.8"'), 'line 3 has none of the keys'],
    [withLine(2, 'Proxy IP = ""'), 'Proxy IP is missing'],
    [withLine(3, 'ProxyPort = "0"'), 'ProxyPort must be'],
    [withLine(3, 'ProxyPort = "3128x"'), 'ProxyPort must be'],
    [withLine(4, ''), 'ProxyUserName is missing'],
    [withLine(4, LINES[5]!), 'ProxyPassword occurs twice'],
    [withLine(4, 'nonsense'), 'line 5 has none of the keys'],
  ])('rejects %j', (text, message) => {
    expect(() => parseProxySettings(text)).toThrow(ProxySettingsError);
    expect(() => parseProxySettings(text)).toThrow(message);
  });
});

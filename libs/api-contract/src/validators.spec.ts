import { describe, expect, it } from '@jest/globals';
import {
  canonicalAddress,
  isTimestamp,
  findDisplayTextError,
  findDisplayTextPrefixError,
  findMachineAddressError,
} from './validators.js';

describe('a display text', () => {
  it.each([
    ['ps-berlin-1'],
    ['InMage Scout Application Service'],
    ['Größe über 30 Ω'],
    ['プロセス サーバー'],
    ['مرکز\u200cداده'], // Persian: the non-joiner is part of the word
    ['क्\u200dष'],
    ['ps \u2764\ufe0f'],
    ['👩\u200d💻'],
    ['a\u00a0b'],
    ['\u{1f600}'.repeat(255)],
  ])('accepts "%s"', (text) => {
    expect(findDisplayTextError(text, 255)).toBeNull();
  });

  it.each([
    ['a NUL', 'ps\u0000', 'U+0000'],
    ['a tab', '\tps', 'U+0009'],
    ['a line feed', 'ps\n1', 'U+000A'],
    ['a C1 control', 'ps\u0085', 'U+0085'],
    ['a soft hyphen', 'ps\u00ad1', 'U+00AD'],
    ['a grapheme joiner', 'ps\u034f1', 'U+034F'],
    ['a Hangul filler', '\u3164', 'U+3164'],
    ['a halfwidth Hangul filler', 'ps\uffa0', 'U+FFA0'],
    ['a Hangul choseong filler', 'ps\u115f', 'U+115F'],
    ['a Mongolian vowel separator', 'ps\u180e', 'U+180E'],
    ['a zero-width space', '\u200b', 'U+200B'],
    ['a right-to-left override', 'ps\u202e1', 'U+202E'],
    ['an isolate', 'ps\u2066', 'U+2066'],
    ['a word joiner', '\u2060\u00ad', 'U+2060'],
    ['a line separator', 'ps\u20281', 'U+2028'],
    ['a paragraph separator', 'ps\u20291', 'U+2029'],
    ['a byte order mark', '\ufeffps', 'U+FEFF'],
    ['a noncharacter', 'ps\ufffe', 'U+FFFE'],
    ['a noncharacter of another plane', 'ps\u{10ffff}', 'U+10FFFF'],
    ['an unassigned character', 'ps\u0378', 'U+0378'],
    ['a lone high surrogate', 'ps\ud800', 'U+D800'],
    ['a lone low surrogate', '\udc00ps', 'U+DC00'],
    ['a private-use character', 'ps\ue000', 'U+E000'],
    ['a tag', 'ps\u{e0041}', 'U+E0041'],
    ['a variation selector for ideographs', 'ps\u{e0100}', 'U+E0100'],
  ])('rejects an invisible character: %s', (_what, text, named) => {
    expect(findDisplayTextError(text, 255)).toContain(`visible characters; ${named} is not allowed`);
  });

  it.each([' ps', '\u00a0ps', '\u3000ps', '\u2800', ' ', '\u200d', '\u200cps', '\ufe0f'])(
    'rejects invisible characters at the beginning: "%s"',
    (text) => {
      expect(findDisplayTextError(text, 255)).toBe('must not begin with white space');
    },
  );

  it.each(['ps ', 'ps\u00a0', 'ps\u2003', 'ps\u2800'])('rejects white space at the end: "%s"', (text) => {
    expect(findDisplayTextError(text, 255)).toBe('must not end with white space');
  });

  it.each(['', 'x'.repeat(256), '\u{1f600}'.repeat(256)])('rejects a text of a wrong length: "%s"', (text) => {
    expect(findDisplayTextError(text, 255)).toBe('must be text of 1 to 255 characters');
  });
});

describe('a display text prefix', () => {
  it.each([
    ['ps ', null],
    ['ps', null],
    [' ps', 'must not begin with white space'],
    ['\u200b', 'must be one line of visible characters; U+200B is not allowed'],
  ])('"%s": %s', (text, message) => {
    expect(findDisplayTextPrefixError(text, 255)).toBe(message);
  });
});

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['::1.2.3.4', '::102:304'],
    ['::0.0.0.1', '::1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::ffff:0:1.2.3.4', '::ffff:0:102:304'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ])('canonicalises %s to %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.04',
    '0x7f.1.1.1',
    '::ffff:1.2.3.04',
    '::ffff:0x7f.1.1.1',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '1::1.2.3.4:5',
    'fe80::1%eth0',
    '::1.2.3.4%1',
    '[::1]',
    ':1.2.3.4',
    '1.2.3.4:1',
  ])('rejects "%s"', (text) => {
    expect(canonicalAddress(text)).toBeNull();
  });
});

describe('a machine address', () => {
  it.each([
    '192.0.2.1',
    '127.0.0.1',
    '::1',
    '169.254.1.1',
    'fe80::1',
    '2001:db8::1',
    '10.255.255.255',
    '::ffff:192.0.2.1',
  ])('accepts %s', (text) => {
    expect(findMachineAddressError(text)).toBeNull();
  });

  it.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::ffff:255.255.255.255', 'broadcast'],
  ])('rejects %s as %s', (text, range) => {
    expect(findMachineAddressError(text)).toBe(`must be the address of one machine; this one is ${range}`);
  });

  it('rejects a text that is not an address', () => {
    expect(findMachineAddressError('ps-1')).toBe('must be an IPv4 or IPv6 address');
  });
});

it.each([
  ['1970-01-01', true],
  ['2026-02-28', true],
  ['2026-02-29', false],
  ['2024-02-29', true],
  ['2024-02-30', false],
  ['2100-02-29', false],
  ['2026-04-30', true],
  ['2026-04-31', false],
  ['2026-12-31', true],
  ['2026-12-32', false],
  ['2026-13-01', false],
  ['2026-00-10', false],
  ['2026-01-00', false],
  ['1969-12-31', false],
  ['9998-12-31', true],
  ['9999-01-01', false],
])('accepts the day %s: %s', (day, isOne) => {
  expect(isTimestamp(`${day}T09:00:00Z`)).toBe(isOne);
});

it.each([
  ['2026-11-23T09:00:00Z', true],
  ['2026-11-23t09:00:00z', true],
  ['2026-11-23t09:00:00.123456789+01:00', true],
  ['2026-11-23T09:00:59Z', true],
  ['2026-12-31T23:59:60Z', false],
  ['2026-11-23 09:00:00Z', false],
  ['2026-11-23T09:00:00', false],
])('accepts the timestamp %s: %s', (text, isOne) => {
  expect(isTimestamp(text)).toBe(isOne);
  if (isOne) expect(new Date(text)).toEqual(new Date(text.toUpperCase()));
});

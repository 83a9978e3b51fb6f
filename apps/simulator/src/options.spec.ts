import { describe, expect, it } from '@jest/globals';
import { DEFAULT_MIX } from './behaviours.js';
import { readOptions } from './options.js';

describe('readOptions', () => {
  it('has a default for every option', () => {
    expect(readOptions([], 7)).toEqual({
      servers: 500,
      seconds: 60,
      mix: DEFAULT_MIX,
      url: 'http://127.0.0.1:8080',
      passphraseFile: '.data/connection.passphrase',
      keyFile: '.data/admin.key',
      intervalSeconds: null,
      seed: 7,
    });
  });

  it('returns the given options', () => {
    const given = [
      '--servers',
      '10000',
      '--mix',
      'steady:9,clones',
      '--interval',
      '2',
      '--url',
      'http://127.0.0.1:9/',
      '--seed',
      '3',
    ];
    expect(readOptions(given, 7)).toMatchObject({
      servers: 10_000,
      mix: { steady: 9, clones: 1 },
      intervalSeconds: 2,
      url: 'http://127.0.0.1:9',
      seed: 3,
    });
  });

  it('returns null for --help', () => {
    expect(readOptions(['--help'], 7)).toBeNull();
  });

  it.each([
    [['--servers', '0'], '--servers'],
    [['--servers', 'many'], '--servers'],
    [['--servers', '1e3'], '--servers'],
    [['--seconds', '-1'], '--seconds'],
    [['--mix', 'nonsense'], 'nonsense'],
    [['--mix', 'steady:0'], '--mix'],
    [['--mix', '__proto__'], '__proto__'],
    [['--url', 'ftp://127.0.0.1'], '--url'],
    [['--url', '8080'], '--url'],
    [['--serverz', '5'], '--serverz'],
    [['500'], '500'],
  ])('rejects %j and names the option', (args, named) => {
    expect(() => readOptions(args, 7)).toThrow(named);
  });
});

import { describe, expect, it } from '@jest/globals';
import type { CliError } from '@app/cli';
import type { CommandDefinition } from './command.js';
import { findCommand, parseCommand } from './command-line.js';
import { COMMANDS } from './commands.js';

const load = (): never => {
  throw new Error('not loaded here');
};
const SHOW: CommandDefinition = {
  name: 'show',
  summary: '',
  arguments: [{ name: 'HOST', meaning: 'a host' }],
  options: {
    reason: { value: 'REASON', meaning: 'why', required: true },
    force: { meaning: 'even so' },
    role: { value: 'ROLE', choices: ['reader', 'admin'], meaning: 'of the key' },
  },
  load,
};
const KEYS: CommandDefinition = { name: 'keys', summary: '', load };
const KEYS_LIST: CommandDefinition = { name: 'keys list', summary: '', load };

function errorOf(words: readonly string[]): CliError {
  try {
    parseCommand(SHOW, words);
  } catch (error) {
    return error as CliError;
  }
  throw new Error('no error');
}

describe('findCommand', () => {
  it('prefers the command with more words', () => {
    expect(findCommand([KEYS, KEYS_LIST], ['keys', 'list', 'x'])).toEqual({ command: KEYS_LIST, rest: ['x'] });
    expect(findCommand([KEYS, KEYS_LIST], ['keys', 'other'])).toEqual({ command: KEYS, rest: ['other'] });
    expect(findCommand([KEYS_LIST], ['keys'])).toBeNull();
  });
});

describe('parseCommand', () => {
  it('reads arguments, options and flags in any order', () => {
    const parsed = parseCommand(SHOW, ['--force', '-o', 'json', 'ps-1', '--reason=gone', '--context', 'lab']);
    expect(parsed).toMatchObject({
      commandName: 'show',
      arguments: ['ps-1'],
      values: { force: true, reason: 'gone' },
      format: 'json',
      context: 'lab',
      wantsHelp: false,
    });
  });

  it('prints tables by default, and needs no argument for help', () => {
    expect(parseCommand(SHOW, ['x', '--reason', 'r']).format).toBe('table');
    expect(parseCommand(SHOW, ['-h']).wantsHelp).toBe(true);
  });

  it.each<[string[], string]>([
    [['--reason', 'r'], 'HOST is missing: a host.'],
    [['a', 'b', '--reason', 'r'], '"b" is one argument too many.'],
    [['', '--reason', 'r'], 'HOST is empty.'],
    [['a'], '--reason is missing: why.'],
    [['a', '--reason', ''], '--reason is empty.'],
    [['a', '--reason', 'r', '--role', 'root'], '--role is "root", but must be one of reader, admin.'],
    [['a', '--reason', 'r', '-o', 'xml'], '--output is "xml", but must be one of table, wide, json, yaml, name.'],
    [['a', '--reason', 'r', '--forse'], "Unknown option '--forse'."],
    [['a', '--reason'], "Option '--reason <value>' argument missing."],
  ])('rejects %j as a usage error', (words, message) => {
    const error = errorOf(words);
    expect(error.message).toBe(message);
    expect(error.exitCode).toBe(2);
    expect(error.advice).toContain('csctl show --help');
  });
});

describe('the table of commands', () => {
  it('has unique names, and a summary that ends with a full stop', () => {
    expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length);
    for (const { summary } of COMMANDS) expect(summary).toMatch(/^[A-Z].*\.$/);
  });

  it('has optional arguments only after required ones, and no option of every command again', () => {
    for (const { arguments: given = [], options = {} } of COMMANDS) {
      expect(given.map(({ optional }) => Number(optional ?? false))).toEqual(
        given.map(({ optional }) => Number(optional ?? false)).sort(),
      );
      for (const name of ['output', 'context', 'help']) expect(options).not.toHaveProperty(name);
    }
  });

  it.each(COMMANDS.map((command) => [command.name, command] as const))('%s can be loaded', async (_name, command) => {
    expect((await command.load()).run).toBeInstanceOf(Function);
  });
});

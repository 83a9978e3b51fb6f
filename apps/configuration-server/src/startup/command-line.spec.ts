import { describe, expect, it } from '@jest/globals';
import { readCommandLine } from './command-line.js';

const NONE = { help: false, insecure: false, newAdminKey: false, migrateOnly: false, restored: false };

describe('readCommandLine', () => {
  it.each([
    [[], NONE],
    [['--help'], { ...NONE, help: true }],
    [['--restored'], { ...NONE, restored: true }],
    [['--migrate-only'], { ...NONE, migrateOnly: true }],
    [['--insecure', '--new-admin-key'], { ...NONE, insecure: true, newAdminKey: true }],
  ])('reads %j', (args, options) => {
    expect(readCommandLine(args)).toMatchObject(options);
  });

  it.each([
    [['--restore'], "Unknown option '--restore'. The options are --help, --insecure, --new-admin-key, "],
    [['restored'], "Unexpected argument 'restored'. The options are "],
    [
      ['--migrate-only', '--restored'],
      '--migrate-only migrates the schema and exits: start again with --restored after it.',
    ],
    [['--migrate-only', '--new-admin-key'], 'start again with --new-admin-key after it.'],
    [['--restored=no'], "Option '--restored' does not take an argument. The options are "],
  ])('rejects %j by name', (args, message) => {
    expect(() => readCommandLine(args)).toThrow(message);
  });
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

interface SqlMutation {
  readonly invariant: string;
  readonly guard: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly test: string;
}

const root = join(import.meta.dirname, '..', '..');
const imported = async <Module>(name: string): Promise<Module> =>
  (await import(String(pathToFileURL(join(root, 'test/mutations', name))))) as Module;
const { SQL_MUTATIONS } = await imported<{ SQL_MUTATIONS: readonly SqlMutation[] }>('sql-mutations.mjs');
const { occurrences, replaceOnce } = await imported<{
  occurrences: (source: string, find: string) => [start: number, end: number][];
  replaceOnce: (source: string, find: string, replace: string) => string;
}>('find-in-source.mjs');

const cases = SQL_MUTATIONS.map((mutation) => [mutation.invariant, mutation.guard, mutation] as const);

describe('a mutation of SQL or a transaction', () => {
  it.each(cases)('%s, %s: is found exactly once', (_invariant, _guard, { file, find }) => {
    expect(occurrences(readFileSync(join(root, file), 'utf8'), find)).toHaveLength(1);
  });

  it.each(cases)('%s, %s: names a test that exists', (_invariant, _guard, { test }) => {
    expect(existsSync(join(root, `${test}.spec.ts`))).toBe(true);
  });
});

describe('replacing the text of a mutation', () => {
  it.each([
    ['on one line', 'a([one, two]);'],
    ['over several lines, with trailing commas', 'a([\n  one,\n  two,\n]);'],
  ])('handles a text %s', (_layout, source) => {
    expect(replaceOnce(`before; ${source} after;`, '[one, two]', '[$&]')).toBe('before; a([$&]); after;');
  });

  it('matches any white space inside the text', () => {
    expect(replaceOnce('SELECT 1\n  FROM a\n WHERE b', '1 FROM a', '2')).toBe('SELECT 2\n WHERE b');
  });

  it.each([
    [0, 'a(c);'],
    [2, 'a(b); a( b, );'],
  ])('fails if the text occurs %d times', (times, source) => {
    expect(() => replaceOnce(source, 'a(b)', '')).toThrow(`found ${times} times`);
  });
});

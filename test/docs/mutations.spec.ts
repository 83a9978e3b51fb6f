import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');
const { MUTATIONS: guards } = (await import(String(pathToFileURL(join(root, 'test/mutations/mutations.mjs'))))) as {
  MUTATIONS: readonly {
    readonly invariant: string;
    readonly guard: string;
    readonly file: string;
    readonly find: string;
  }[];
};

describe('each guard that the mutation tests take out', () => {
  it.each(guards.map(({ invariant, guard, file, find }) => [invariant, guard, file, find] as const))(
    '%s: %s stands exactly once in %s',
    (_invariant, _guard, file, find) => {
      expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2);
    },
  );
});

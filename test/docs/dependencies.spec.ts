import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';

const read = (name: string): string => readFileSync(join(projectRoot(), name), 'utf8');
const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
  'dependencies' | 'devDependencies',
  Record<string, string>
>;
const rows = [
  ...read('docs/dependencies.md').matchAll(/^\| `([^`]+)` *\| (\S+) *\| (\d{4}-\d\d-\d\d) *\| (\S.*) \| (\S.*) \|$/gm),
];

describe('docs/dependencies.md', () => {
  it('has one row for each package, with version, date, purpose and rationale, and no other row', () => {
    expect(rows.map(([, name, version]) => `${name} ${version}`)).toEqual(
      Object.entries({ ...dependencies, ...devDependencies }).map(([name, version]) => `${name} ${version}`),
    );
  });
});

describe('the installed packages', () => {
  it.each(Object.entries({ ...dependencies, ...devDependencies }))('%s has an exact version: %s', (_name, version) => {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('run no install script, and are locked without a registry address', () => {
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
    const lock = JSON.parse(read('package-lock.json')) as {
      readonly packages: Record<
        string,
        { readonly resolved?: string; readonly integrity?: string; readonly os?: readonly string[] }
      >;
    };
    const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
    const unsealed = packages.filter(([, { integrity, os }]) => !integrity && !os); // optional binaries of other systems have no integrity in the lock file
    expect(unsealed.map(([path]) => path)).toEqual([]);
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });
});

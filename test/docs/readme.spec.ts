import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SETTINGS } from '@app/platform';
import { PROBLEM_CODES, PROBLEMS } from '@app/api-contract';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';

const withoutPadding = (row: string): string => row.replace(/ +\|/g, ' |');
const read = (page: string): string => readFileSync(join(projectRoot(), page), 'utf8');
const filesIn = (folder: string): string[] =>
  readdirSync(join(projectRoot(), folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));

/** The rows of a page by the name in their first column. */
function rowsOf(page: string): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const line of read(page).split('\n').map(withoutPadding)) {
    const name = /^\| `([A-Za-z_]+)` \|/.exec(line)?.[1];
    if (name) rows.set(name, [...(rows.get(name) ?? []), line]);
  }
  return rows;
}

describe('docs/settings.md', () => {
  const rows = rowsOf('docs/settings.md');

  it.each(
    SETTINGS.map(({ name, unit, defaultValue, meaning }) => [
      name,
      `| \`${name}\` | ${unit} | ${defaultValue} | ${meaning} |`,
    ]),
  )('has the setting %s with its unit, default and meaning', (name, row) =>
    expect(rows.get(name)).toEqual([withoutPadding(row)]),
  );

  it('has no unknown setting', () => {
    expect([...rows.keys()]).toEqual(SETTINGS.map(({ name }) => name));
  });
});

describe('docs/problem-codes.md', () => {
  const rows = rowsOf('docs/problem-codes.md');
  const instructions = ['stop', 'reregister', 'ask_operator', 'upgrade', 'retry'];

  it.each(PROBLEM_CODES)('has the problem code %s with its status', (code) => {
    expect(rows.get(code)).toEqual([`| \`${code}\` | ${PROBLEMS[code].status} | ${PROBLEMS[code].title} |`]);
  });

  it('has no unknown code', () => {
    expect([...rows.keys()].sort()).toEqual([...PROBLEM_CODES, ...instructions].sort());
  });
});

describe('docs/metrics.md', () => {
  it('has exactly the metrics that the configuration server registers', () => {
    const registered = filesIn('apps/configuration-server/src')
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .flatMap((file) => [...read(file).matchAll(/'(cs_[a-z_]+)'/g)].map(([, name]) => name));
    expect([...rowsOf('docs/metrics.md').keys()].sort()).toEqual([...new Set(registered)].sort());
  });
});

describe('README.md', () => {
  it('names settings that exist', () => {
    const known = new Set<string>(SETTINGS.map(({ name }) => name));
    expect([...rowsOf('README.md').keys()].filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('links between pages', () => {
  const pages = ['README.md', ...filesIn('docs').filter((file) => file.endsWith('.md'))];

  it.each(pages)('of %s lead to existing files', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target!);
    const missing = targets.filter((target) => {
      const path = join(dirname(page), target);
      const parent = readdirSync(join(projectRoot(), dirname(path)));
      return !parent.includes(path.split('/').at(-1)!);
    });
    expect(missing).toEqual([]);
  });
});

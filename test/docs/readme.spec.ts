import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SETTINGS } from '@app/platform';
import { PROBLEM_CODES, PROBLEMS } from '@app/api-contract';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';

const withoutPadding = (row: string): string => row.replace(/ +\|/g, ' |');
const lines = readFileSync(join(projectRoot(), 'README.md'), 'utf8').split('\n').map(withoutPadding);
const rowsThatBeginWith = (name: string): string[] => lines.filter((line) => line.startsWith(`| \`${name}\` |`));

describe('README.md', () => {
  it.each(
    SETTINGS.map(({ name, unit, defaultValue, meaning }) => [
      name,
      `| \`${name}\` | ${unit} | ${defaultValue} | ${meaning} |`,
    ]),
  )('has the setting %s with its unit and default', (name, row) =>
    expect(rowsThatBeginWith(name)).toEqual([withoutPadding(row)]),
  );

  it.each(PROBLEM_CODES)('has the problem code %s with its status', (code) => {
    expect(rowsThatBeginWith(code)).toEqual([`| \`${code}\` | ${PROBLEMS[code].status} | ${PROBLEMS[code].title} |`]);
  });

  it('has no setting and no code that there is none of', () => {
    const named = lines.flatMap((line) => /^\| `([A-Z_]+|[a-z_]+)` \| /.exec(line)?.[1] ?? []);
    const known = new Set<string>([...SETTINGS.map(({ name }) => name), ...PROBLEM_CODES, 'migrations', 'test']);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});

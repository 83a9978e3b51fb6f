/** Takes each guard out of a copy of the project, and expects its test to go red there. Arguments narrow by invariant, e.g. `I5`, `access` or `fuzz`. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from '../../scripts/prepare.mjs';
import { MUTATIONS } from './mutations.mjs';

const COPIED = [
  'apps',
  'libs',
  'migrations',
  'test',
  'dist',
  'openapi.json',
  'package.json',
  'tsconfig.json',
  'jest.config.mjs',
];
const TABLE_BEGINS = '<!-- mutations -->';
const TABLE_ENDS = '<!-- /mutations -->';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const wanted = process.argv.slice(2);
const chosen = MUTATIONS.filter(({ invariant }) => wanted.length === 0 || wanted.includes(invariant));

await prepare();
const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));

let survivors = 0;
const rows = [];
try {
  for (const mutation of chosen) rows.push(tried(mutation));
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`${chosen.length - survivors} passed, ${survivors} failed`);
if (survivors === 0) writeTable(new Map(chosen.map((mutation, number) => [mutation, rows[number]])));
process.exit(survivors === 0 ? 0 : 1);

function tried({ invariant, guard, file, find, replace, test }) {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  if (source.split(find).length !== 2)
    throw new Error(`${invariant}: the guard must stand exactly once in ${file}: ${find}`);
  writeFileSync(
    path,
    source.replace(find, () => replace),
  );
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--bail', test],
    {
      cwd: copy,
      encoding: 'utf8',
      env: {
        ...process.env,
        NODE_NO_WARNINGS: '1',
        MODEL_RUNS: '150',
        MODEL_SHRINK: '0',
        FUZZ_REQUESTS: '4000',
        FUZZ_IN_FLIGHT: '48',
      },
    },
  );
  writeFileSync(path, source);
  const red = /●\s+(.+)/.exec(`${stdout}${stderr}`)?.[1] ?? '';
  const isRed = status !== 0 && /Tests: +[1-9]\d* failed/.test(`${stdout}${stderr}`);
  if (!isRed) survivors += 1;
  console.log(`${isRed ? 'red  ' : 'GREEN'}  ${invariant}  ${guard}  (${test}: ${red})`);
  return `| ${invariant} | ${guard} | \`${file}\` | \`${test}.spec.ts\`: ${red.replace(/\|/g, '\\|')} |`;
}

/** The rows of what was tried are new; the others stay as they were. */
function writeTable(tried) {
  const page = join(root, 'docs', 'testing.md');
  const [before, rest = ''] = readFileSync(page, 'utf8').split(TABLE_BEGINS);
  const [old = '', after = ''] = rest.split(TABLE_ENDS);
  const rowOf = ({ invariant, guard }) => old.split('\n').find((row) => row.startsWith(`| ${invariant} | ${guard} |`));
  const rows = MUTATIONS.map((mutation) => tried.get(mutation) ?? rowOf(mutation)).filter((row) => row !== undefined);
  const table = [
    '| Invariant | Guard taken out | Where | Test that went red |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
  writeFileSync(page, `${before}${TABLE_BEGINS}\n${table}\n${TABLE_ENDS}${after}`);
}

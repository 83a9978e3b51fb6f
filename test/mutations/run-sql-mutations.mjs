/**
 * Applies each SQL mutation to a copy of the project and expects its test to fail there. Arguments select invariants:
 * `npm run mutations:sql -- I2 cluster`. Results: reports/mutations-sql.json.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare } from '../../scripts/prepare.mjs';
import { replaceOnce } from './find-in-source.mjs';
import { SQL_MUTATIONS } from './sql-mutations.mjs';

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
/** Enough random runs of the model to reach each guard. */
const LONG_MODEL_RUN = { MODEL_RUNS: '150', MODEL_SHRINK: '0' };
const REPORT = join('reports', 'mutations-sql.json');

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const wanted = process.argv.slice(2);
const chosen = SQL_MUTATIONS.filter(({ invariant }) => wanted.length === 0 || wanted.includes(invariant));
const unknown = wanted.filter((name) => !SQL_MUTATIONS.some(({ invariant }) => invariant === name));
if (unknown.length > 0) {
  console.error(`No mutation of ${unknown.join(', ')}.`);
  process.exit(1);
}

await prepare();
const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
const results = [];
try {
  for (const name of COPIED) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  expectTestsToPass([...new Set(chosen.map(({ test }) => test))]);
  mkdirSync(join(root, 'reports'), { recursive: true });
  for (const mutation of chosen) {
    results.push(tried(mutation));
    writeFileSync(join(root, REPORT), `${JSON.stringify(results, null, 2)}\n`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
const survived = results.filter(({ status }) => status === 'survived').length;
console.log(`${results.length - survived} killed, ${survived} survived; ${REPORT}`);
process.exit(survived === 0 ? 0 : 1);

/** A test that fails without a mutation proves nothing. */
function expectTestsToPass(tests) {
  const { status, output } = jest(tests);
  if (status === 0) return;
  throw new Error(`The tests fail without a mutation:\n${output}`);
}

function tried({ invariant, guard, file, find, replace, test }) {
  const path = join(copy, file);
  const source = readFileSync(path, 'utf8');
  writeFileSync(path, replaceOnce(source, find, replace));
  const started = performance.now();
  const { status, output } = jest(['--bail', test], LONG_MODEL_RUN);
  const seconds = Math.round((performance.now() - started) / 1000);
  writeFileSync(path, source);
  const isKilled = status !== 0 && /^Tests: +[1-9]\d* failed/m.test(output);
  const failedTest = isKilled ? (/●\s+(.+)/.exec(output)?.[1] ?? null) : null;
  console.log(`${isKilled ? 'killed  ' : 'SURVIVED'}  ${invariant}  ${guard}  (${test}, ${seconds} s)`);
  return { invariant, guard, file, test, status: isKilled ? 'killed' : 'survived', failedTest, seconds };
}

function jest(args, env = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', ...args],
    {
      cwd: copy,
      encoding: 'utf8',
      maxBuffer: Infinity,
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
    },
  );
  return { status, output: `${stdout}${stderr}` };
}

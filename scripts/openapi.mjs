/** Writes openapi.json from the code; with --check compares, and fails if the committed file is out of date. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const committed = join(root, 'openapi.json');
const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
const target = process.argv.includes('--check') ? join(folder, 'openapi.json') : committed;
const { status } = spawnSync(
  process.execPath,
  [join(root, 'dist/apps/configuration-server/src/write-openapi.js'), target],
  { stdio: 'inherit' },
);
const same = status === 0 && readFileSync(target, 'utf8') === readFileSync(committed, 'utf8');
rmSync(folder, { recursive: true });
if (!same) console.error('openapi.json is out of date: run "npm run openapi" and commit it.');
process.exit(same ? 0 : 1);

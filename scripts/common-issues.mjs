/** Writes docs/common-issues.md from the health error catalogue; with --check compares, and fails if the committed page is out of date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const { commonIssuesPage } = await import('../dist/libs/fleet/src/health/health-error-catalogue.js');
const committed = join(root, 'docs', 'common-issues.md');
if (process.argv.includes('--check')) {
  const same = readFileSync(committed, 'utf8') === commonIssuesPage();
  if (!same) console.error('docs/common-issues.md is out of date: run "npm run common-issues" and commit it.');
  process.exit(same ? 0 : 1);
}
writeFileSync(committed, commonIssuesPage());

/** `npm run checks`: the static and drift checks, two in parallel. Prints the output of each check when it ends; fails if one fails. */
import { spawn } from 'node:child_process';
import { prepare, root } from './prepare.mjs';

const CHECKS = [
  ['lint'],
  ['typecheck'],
  ['format:check'],
  ['imports'],
  ['openapi', '--', '--check'],
  ['schema', '--', '--check'],
  ['common-issues', '--', '--check'],
  ['agent-help', '--', '--check'],
];

await prepare();
const remaining = [...CHECKS];
const failed = [];
const worker = async () => {
  for (let check = remaining.shift(); check; check = remaining.shift()) {
    const startedAtMs = performance.now();
    const { ok, output } = await run(check);
    console.log(
      `${check[0]}: ${ok ? 'passed' : 'FAILED'} in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`,
    );
    if (output) console.log(output);
    if (!ok) failed.push(check[0]);
  }
};
await Promise.all([worker(), worker()]);
if (failed.length > 0) console.error(`These checks failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);

function run(check) {
  const child = spawn('npm', ['run', '--silent', ...check], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (code) => resolve({ ok: code === 0, output: output.trim() }));
  });
}

/**
 * `npm run fuzz -- [--requests N] [--seed S] [--in-flight N]`: only the fuzz run, of any length.
 * One seed with `--in-flight 1` repeats the same requests.
 */
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { requests: { type: 'string' }, seed: { type: 'string' }, 'in-flight': { type: 'string' } },
});
process.env.SEED ??= 'random';
process.env.FUZZ_REQUESTS = '20000';
process.env.FUZZ_IN_FLIGHT = '48';
for (const [name, value] of Object.entries(values)) {
  if (!/^[1-9]\d{0,9}$/.test(value)) {
    console.error(`--${name} must be a positive integer, not ${JSON.stringify(value)}`);
    process.exit(1);
  }
  process.env[name === 'seed' ? 'SEED' : `FUZZ_${name.toUpperCase().replace('-', '_')}`] = value;
}
process.argv.splice(2, Infinity, '--runTestsByPath', 'test/fuzz/fuzz.spec.ts');
await import('./test.mjs');

/**
 * `npm test`: prepares the clone if necessary, then runs jest. `--tier=` selects the projects; other arguments are for jest,
 * and without a tier they match any spec. SEED=7 replaces the fixed seed of the random tests, SEED=random draws a new one.
 * A missing snapshot is a failure; `-u` writes it.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

/** Projects of jest.config.mjs. */
const TIERS = {
  unit: ['unit'],
  usual: ['unit', 'site', 'model'],
  slow: ['slow', 'as on a cluster node', 'model'],
};
const { SEED = '1', MODEL_RUNS } = process.env;

const args = process.argv.slice(2);
const given = args.find((arg) => arg.startsWith('--tier='));
const forJest = args.filter((arg) => arg !== given);
const tier = given?.slice('--tier='.length) ?? (args.length === 0 ? 'usual' : undefined);
const seed = SEED === 'random' ? randomInt(2 ** 31) : SEED;

await prepare({ builds: tier !== 'unit' });

const jest = spawn(
  process.execPath,
  [
    '--experimental-vm-modules',
    join(root, 'node_modules/jest/bin/jest.js'),
    '--ci',
    ...(tier === 'unit' ? ['--maxWorkers=100%'] : []), // these never wait
    ...forJest,
    `--seed=${seed}`,
    '--showSeed',
    ...(tier ? ['--selectProjects', ...TIERS[tier]] : []),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, NODE_NO_WARNINGS: '1', MODEL_RUNS: MODEL_RUNS ?? (tier === 'slow' ? '5' : '2') },
  },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => jest.kill(signal));
jest.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));

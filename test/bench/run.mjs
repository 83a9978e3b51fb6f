/**
 * `npm run bench -- [SECTION ...] [--quick]`: private databases, all on loopback, results as ratios within the run.
 * `--quick` is for a first look: a fleet of 10,000 and three pairs. `--against PATH` compares this build with the build of another
 * checkout instead. BENCH_LARGEST=100000 omits the largest fleet.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { againstBuild } from './against.mjs';
import { makeFleet } from './fleet.mjs';
import { compareWithBaselines, atSizes, duringCleanUp, replicas } from './heartbeats.mjs';
import { startGenerator, stopAll } from './programs.mjs';
import { pairs as pairsOfFilters } from './filter-pairs.mjs';
import { pages } from './queries.mjs';
import { registering } from './registrations.mjs';
import { databaseVersion, failuresOf, newResult, show, writeResult } from './report.mjs';
import { withSlowClients } from './slow-clients.mjs';

const BY_DEFAULT = ['rivals', 'sizes', 'queries', 'clean-up', 'registrations'];
const QUICK = ['rivals', 'queries', 'registrations'];
/** In the order of execution: the last ones change their fleet. */
const SECTIONS = {
  rivals: async () => compareWithBaselines({ ...context, fleet: await fleetOf(MIDDLE) }),
  replicas: async () => replicas({ ...context, fleet: await fleetOf(MIDDLE) }),
  'slow-clients': async () => withSlowClients({ ...context, fleet: await fleetOf(MIDDLE) }),
  sizes: async () => atSizes({ ...context, fleets: await fleetsOf([1_000, ...SIZES]) }),
  queries: async () => pages({ ...context, fleets: await fleetsOf(SIZES) }),
  pairs: async () => pairsOfFilters({ fleet: await fleetOf(LARGEST) }),
  'clean-up': async () => duringCleanUp({ ...context, fleet: await fleetOf(LARGEST), entries: CLEANED_UP }),
  registrations: async () => registering({ ...context, fleet: await fleetOf(LARGEST), storm: STORM }),
  against: async () => againstBuild({ ...context, checkout: resolve(options.against), size: MIDDLE }),
};

const { options, wanted } = readArguments();
const { quick } = options;
const LARGEST = quick ? 10_000 : Number(process.env.BENCH_LARGEST ?? 1_000_000);
const MIDDLE = Math.min(100_000, LARGEST);
const SIZES = [...new Set([10_000, MIDDLE, LARGEST])];
const CLEANED_UP = Math.min(100_000, LARGEST / 10);
const STORM = quick ? 5_000 : MIDDLE;

const directory = mkdtempSync(join(tmpdir(), 'bench-'));
const startedAt = performance.now();
const log = (line) => console.log(`[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(3)} s] ${line}`);
const fleets = new Map();
const context = { generator: startGenerator(), directory, log, quick, pairs: quick ? 3 : 10 };
const result = newResult({ ...options, sections: wanted });

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, against: { type: 'string' } },
    });
    const unknown = positionals.filter((name) => name === 'against' || !(name in SECTIONS));
    if (unknown.length > 0) throw new Error(`No such section: ${unknown.join(', ')}`);
    if (values.against) return { options: values, wanted: ['against', ...positionals] };
    return { options: values, wanted: positionals.length > 0 ? positionals : values.quick ? QUICK : BY_DEFAULT };
  } catch (error) {
    const names = Object.keys(SECTIONS).filter((name) => name !== 'against');
    console.error(`${error.message}\nnpm run bench -- [${names.join(' | ')} ...] [--quick] [--against CHECKOUT]`);
    process.exit(2);
  }
}

function fleetOf(size) {
  if (!fleets.has(size)) {
    log(`making a fleet of ${size.toLocaleString('en')}`);
    const folder = join(directory, `fleet-${size}`);
    mkdirSync(folder);
    const made = makeFleet(folder, size);
    made.then(
      async (fleet) => (result.machine.database ??= await databaseVersion(fleet)),
      () => undefined, // the section that uses the fleet reports the error
    );
    fleets.set(size, made);
  }
  return fleets.get(size);
}

const fleetsOf = (sizes) => Promise.all(sizes.map(fleetOf));

try {
  for (const name of Object.keys(SECTIONS).filter((section) => wanted.includes(section))) {
    log(name);
    try {
      const section = await SECTIONS[name]();
      result.sections[name] = { ...section, failures: failuresOf(section) };
      show(name, section);
    } catch (error) {
      result.sections[name] = { failures: [error.message] };
      await stopAll();
    }
    for (const failure of result.sections[name].failures) log(`${name}: ${failure}`);
    log(`results in ${writeResult(result)}`);
  }
} finally {
  await context.generator.stop();
  await stopAll();
  for (const made of await Promise.allSettled(fleets.values())) await made.value?.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(Object.values(result.sections).some(({ failures }) => failures.length > 0) ? 1 : 0);

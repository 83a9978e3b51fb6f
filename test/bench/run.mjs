/**
 * `npm run bench`: private databases, everything on loopback, figures as ratios within the run. Arguments narrow it to some
 * sections: rivals sizes queries clean-up registrations, and pairs, replicas and slow-clients, which run only when they are named. BENCH_LARGEST=100000 leaves the largest fleet out.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatSpread, table } from './statistics.mjs';
import { makeFleet } from './fleet.mjs';
import { compareWithBaselines, atSizes, duringCleanUp, replicas } from './heartbeats.mjs';
import { startGenerator, stopAll } from './programs.mjs';
import { pairs } from './filter-pairs.mjs';
import { pages } from './queries.mjs';
import { registering } from './registrations.mjs';
import { withSlowClients } from './slow-clients.mjs';

const LARGEST = Number(process.env.BENCH_LARGEST ?? 1_000_000);
const MIDDLE = Math.min(100_000, LARGEST);
const SIZES = [10_000, ...new Set([MIDDLE, LARGEST])];
const CLEANED_UP = Math.min(100_000, LARGEST / 10);
const STORM = MIDDLE;
const RESULT = fileURLToPath(new URL('../../.data/bench/result.json', import.meta.url));

const wanted = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), 'bench-'));
const startedAt = performance.now();
const say = (line) => console.log(`[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(3)} s] ${line}`);
const fleets = new Map();
const generator = startGenerator();
const result = {
  at: new Date().toISOString(),
  machine: { cpus: cpus().length, model: cpus()[0]?.model, node: process.version },
  sections: {},
};

function fleetOf(size) {
  if (!fleets.has(size)) {
    say(`making a fleet of ${size.toLocaleString('en')}`);
    const folder = join(directory, `fleet-${size}`);
    mkdirSync(folder);
    fleets.set(size, makeFleet(folder, size));
  }
  return fleets.get(size);
}

const fleetsOf = (sizes) => Promise.all(sizes.map(fleetOf));

/** The others take five minutes already. */
const ONLY_WHEN_NAMED = ['pairs', 'replicas', 'slow-clients'];

const SECTIONS = {
  baselines: async () => compareWithBaselines({ generator, fleet: await fleetOf(MIDDLE), directory, say }),
  replicas: async () => replicas({ generator, fleet: await fleetOf(MIDDLE), directory }),
  'slow-clients': async () => withSlowClients({ fleet: await fleetOf(MIDDLE), directory }),
  sizes: async () => atSizes({ generator, fleets: await fleetsOf([1_000, ...SIZES]), directory }),
  queries: async () => pages({ generator, fleets: await fleetsOf(SIZES), directory }),
  pairs: async () => pairs({ fleet: await fleetOf(LARGEST) }),
  'clean-up': async () => {
    const fleet = await fleetOf(LARGEST);
    return duringCleanUp({ generator, fleet, directory, entries: CLEANED_UP, say });
  },
  registrations: async () => registering({ generator, fleet: await fleetOf(LARGEST), directory, storm: STORM, say }),
};

function show(name, { rows, ratios, memory }) {
  const columns = {
    perSecond: 'a second',
    p50Ms: 'p50 ms',
    p99Ms: 'p99 ms',
    p999Ms: 'p99.9 ms',
    oursMs: 'ours ms',
    rawMs: 'query alone ms',
  };
  const used = Object.keys(columns).filter((column) => rows.some((row) => row[column]));
  const hasBusy = rows.some(({ generatorBusy }) => generatorBusy);
  const head = [name, ...used.map((column) => columns[column]), ...(hasBusy ? ['generator busy'] : []), ''];
  const body = rows.map((row) => [
    row.what,
    ...used.map((column) => (row[column] ? formatSpread(row[column]) : '')),
    ...(hasBusy ? [`${Math.round((row.generatorBusy ?? 0) * 100)} %`] : []),
    row.note ?? '',
  ]);
  console.log(`\n${table([head, ...body])}\n`);
  if (memory) {
    const lines = Object.entries(memory).map(([what, { held, resident }]) => [
      `memory: ${what}`,
      `${held.toFixed(1)} MiB held`,
      `${resident.toFixed(0)} MiB resident`,
    ]);
    console.log(`${table(lines)}\n`);
  }
  if (Object.keys(ratios).length > 0)
    console.log(`${table(Object.entries(ratios).map(([what, value]) => [what, formatSpread(value)]))}\n`);
}

try {
  for (const [name, run] of Object.entries(SECTIONS)) {
    if (wanted.length > 0 ? !wanted.includes(name) : ONLY_WHEN_NAMED.includes(name)) continue;
    say(name);
    result.sections[name] = await run();
    show(name, result.sections[name]);
  }
  mkdirSync(join(RESULT, '..'), { recursive: true });
  writeFileSync(RESULT, `${JSON.stringify(result, null, 2)}\n`);
  say(`done; figures with their spread in ${RESULT}`);
} finally {
  await stopAll();
  for (const made of await Promise.allSettled(fleets.values())) await made.value?.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.exit(0);

/** The results of a run: tables on the terminal, and a JSON file with all values and the machine. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatSpread, table } from './statistics.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const REPORTS = join(root, 'reports');
const COLUMNS = {
  perSecond: 'a second',
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  p999Ms: 'p99.9 ms',
  oursMs: 'server ms',
  rawMs: 'query alone ms',
};

/** The commit of a checkout, marked if files differ from it; null outside of Git. */
export function commitOf(checkout) {
  try {
    const git = (...args) => execFileSync('git', ['-C', checkout, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    return git('rev-parse', 'HEAD') + (git('status', '--porcelain') ? ' with changes' : '');
  } catch {
    return null;
  }
}

export const databaseVersion = async ({ connection }) =>
  (await connection.query('SELECT VERSION() AS version'))[0][0].version;

export const newResult = (options) => ({
  startedAt: new Date().toISOString(),
  options,
  commit: commitOf(root),
  machine: {
    cores: cpus().length,
    model: cpus()[0]?.model,
    memoryMiB: Math.round(totalmem() / 1024 / 1024),
    node: process.version,
    loadAverageBefore: loadavg(),
  },
  sections: {},
});

/** Called after each section, so that an aborted run keeps the earlier sections. @returns the path. */
export function writeResult(result) {
  result.endedAt = new Date().toISOString();
  result.machine.loadAverageAfter = loadavg();
  mkdirSync(REPORTS, { recursive: true });
  const path = join(REPORTS, `bench-${result.startedAt.replace(/[:.]/g, '-')}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

/** Rows without a value, and failures that the section reports. Any failure makes the exit code 1. */
export function failuresOf({ rows, failures = [] }) {
  const missing = rows.filter((row) => Object.keys(COLUMNS).some((column) => row[column]?.windows === 0));
  return [...missing.map(({ what }) => `${what}: no window counts`), ...failures];
}

export function show(name, { rows, ratios, memory }) {
  const used = Object.keys(COLUMNS).filter((column) => rows.some((row) => row[column]));
  const hasBusy = rows.some(({ generatorBusy }) => generatorBusy);
  const head = [name, ...used.map((column) => COLUMNS[column]), ...(hasBusy ? ['generator busy'] : []), ''];
  const body = rows.map((row) => [
    row.what,
    ...used.map((column) => (row[column] ? formatSpread(row[column]) : '')),
    ...(hasBusy ? [`${Math.round((row.generatorBusy ?? 0) * 100)} %`] : []),
    [row.note, slowNote(row.slow)].filter(Boolean).join('; '),
  ]);
  console.log(`\n${table([head, ...body])}\n`);
  if (memory) {
    const lines = Object.entries(memory).map(([what, { heap, resident }]) => [
      `memory: ${what}`,
      `${heap.toFixed(1)} MiB heap used`,
      `${resident.toFixed(0)} MiB resident`,
    ]);
    console.log(`${table(lines)}\n`);
  }
  if (Object.keys(ratios).length > 0)
    console.log(`${table(Object.entries(ratios).map(([what, value]) => [what, formatSpread(value)]))}\n`);
}

const slowNote = (slow = []) =>
  slow.length > 0 && `slow windows: ${slow.length} (${[...new Set(slow)].slice(0, 2).join('; ')})`;

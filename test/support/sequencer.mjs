import { statSync } from 'node:fs';

/** Long specs that would otherwise start late and run alone at the end, longest first. */
const LONG = [
  'model/simulated-day.spec.ts',
  'faults/demo.spec.ts',
  'faults/start.spec.ts',
  'faults/interrupted-first-start.spec.ts',
  'faults/killed-process.spec.ts',
  'faults/unread-responses.spec.ts',
  'slow-clients/connection-limit.spec.ts',
  'faults/private-database.spec.ts',
  'faults/clock-steps.spec.ts',
  'faults/crash.spec.ts',
  'model/concurrent-calls.spec.ts',
  'faults/locked-tables.spec.ts',
  'faults/stop.spec.ts',
  'model/registry-model.spec.ts',
  'program/first-start.spec.ts',
];

/** The order of the specs of a run: the long ones, then by size. */
export default class Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const index = LONG.findIndex((name) => path.endsWith(`/${name}`));
      return index < 0 ? LONG.length : index;
    };
    const size = new Map(tests.map(({ path }) => [path, statSync(path).size]));
    return tests.toSorted((a, b) => place(a) - place(b) || size.get(b.path) - size.get(a.path));
  }

  /** Jest passes the results for the order of the next run. */
  cacheResults() {}
}

import { expect, it, jest } from '@jest/globals';
import { FuzzRun } from './fuzz-run.js';

/** Set by `npm run fuzz`; the default is short, because other tests share the machine. */
const options = {
  requests: Number(process.env['FUZZ_REQUESTS'] ?? 3_000),
  seed: jest.getSeed(),
  inFlight: Number(process.env['FUZZ_IN_FLIGHT'] ?? 8),
};
/** One start, and for each request the time on a very slow machine. */
const MAX_DURATION_MS = 60_000 + options.requests * 20;

it(
  'any request: no 5xx, no hang, no memory growth, no leaked secret, and only accepted calls change the registry',
  async () => {
    const { violations, summary } = await FuzzRun.of(options);
    process.stdout.write(`${summary}\n`);
    for (const violation of violations) process.stdout.write(`\n${violation}\n`); // printed in full, because a diff would truncate and quote it
    expect(violations.length).toBe(0);
  },
  MAX_DURATION_MS,
);

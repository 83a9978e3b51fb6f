import { expect, it, jest } from '@jest/globals';
import { FuzzRun } from './fuzz-run.js';

/** Given by `npm run fuzz`; a plain test run shares the machine with other tests. */
const order = {
  requests: Number(process.env['FUZZ_REQUESTS'] ?? 3_000),
  seed: jest.getSeed(),
  inFlight: Number(process.env['FUZZ_IN_FLIGHT'] ?? 8),
};
/** A start, and for each request as long as on a very slow machine. */
const MAX_DURATION_MS = 60_000 + order.requests * 20;

it(
  'whatever is sent: no 5xx, no hang, no growth, no secret, and the registry is changed by what was accepted and nothing else',
  async () => {
    const { violations, summary } = await FuzzRun.of(order);
    process.stdout.write(`${summary}\n`);
    for (const violation of violations) process.stdout.write(`\n${violation}\n`); // whole, and in lines: a diff would cut it and put it in quotes
    expect(violations.length).toBe(0);
  },
  MAX_DURATION_MS,
);

import { expect, it } from '@jest/globals';
import { Histogram } from 'prom-client';
import { FastHistogram } from './fast-histogram.js';

const BUCKETS = [0.1, 0.5, 1];
const OBSERVED = [
  ['GET', 0],
  ['GET', 0.1],
  ['GET', 0.11],
  ['PUT', 1],
  ['PUT', 7],
] as const;

it("returns the same samples as prom-client's histogram", async () => {
  const theirs = new Histogram({
    name: 'a_seconds',
    help: 'a',
    labelNames: ['method'],
    buckets: BUCKETS,
    registers: [],
  });
  const ours = new FastHistogram(['method'], BUCKETS);
  for (const [method, value] of OBSERVED) {
    theirs.observe({ method }, value);
    ours.with({ method }).observe(value);
  }
  expect(ours.samples('a_seconds')).toEqual(
    (await theirs.get()).values.map(({ metricName, labels, value }) => ({ metricName, labels, value })),
  );
});

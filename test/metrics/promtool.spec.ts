import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { ServerFolder } from '../support/server-program.js';

let folder: ServerFolder;
let text = '';

beforeAll(async () => {
  folder = await ServerFolder.make();
  const { url } = await folder.start();
  text = await eventually('the fleet is counted', 60_000, async () => {
    const scraped = await (await fetch(`${url}/metrics`)).text();
    return scraped.includes('\ncs_process_servers{') && scraped;
  });
});

afterAll(() => folder.remove());

it('promtool finds nothing to improve in the metrics of a running server', () => {
  const { status, stdout, stderr } = spawnSync(process.env['PROMTOOL'] ?? 'promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  expect(`${stdout}${stderr}`).toBe('');
  expect(status).toBe(0);
});

it('a running server also reports its process', () => {
  expect(text).toMatch(/^process_cpu_seconds_total \d/m);
  expect(text).toMatch(/^nodejs_eventloop_lag_seconds \d/m);
});

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { FleetSummaryQuery } from '@app/fleet-mysql';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';
import { collectProcessMetrics } from '../../apps/configuration-server/src/operations/process-metrics.js';
import { eventually } from '../support/eventually.js';
import { parseMetrics, type MetricFamily } from '../support/metrics-text.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

const HEARTBEAT_ROUTE = '/v1/process-servers/:hostId/heartbeats';

let site: TestCluster;
let server: KnownServer;
beforeAll(async () => {
  collectProcessMetrics();
  site = await TestCluster.open();
  server = await site.registered();
  await site.replica().consistency.run();
  await site.read('/v1/fleet');
});
afterAll(() => site.close());

const scrape = async (replica = 0): Promise<MetricFamily[]> =>
  parseMetrics(String((await site.read('/metrics', replica)).body['text']));

/** The values of a sample by its labels, e.g. `GET /v1/fleet 200`. */
const valuesOf = (families: readonly MetricFamily[], sample: string): Record<string, number> =>
  Object.fromEntries(
    families
      .flatMap(({ samples }) => samples)
      .filter(({ name }) => name === sample)
      .map(({ labels, value }) => [Object.values(labels).join(' '), value]),
  );

/** A heartbeat on a connection of its own, as the fast path takes it. */
async function sendHeartbeat(replica = 0): Promise<{ readonly answer: Promise<string> }> {
  const { hostname, port } = new URL(await site.replica(replica).http.getUrl());
  const socket = connect(Number(port), hostname);
  const body = JSON.stringify({ generation: server.generation });
  socket.write(
    [
      `POST /v1/process-servers/${server.hostId}/heartbeats HTTP/1.1`,
      'Host: a',
      `Authorization: Bearer ${server.credential}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  );
  const answer = once(socket, 'data').then(([bytes]) => {
    socket.destroy();
    return String(bytes).slice(0, 'HTTP/1.1 200'.length);
  });
  const { receiver } = site.replica(replica);
  await eventually('the heartbeat is queued', 20_000, () => receiver.queueLength > 0);
  return { answer };
}

describe('the text format', () => {
  it('has HELP, TYPE and samples in order, and each series once', async () => {
    const families = await scrape();
    const names = families.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    const series = families.flatMap(({ samples }) =>
      samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`),
    );
    expect(series).toEqual([...new Set(series)]);
  });

  it('ends the name of each counter, and of nothing else, in _total', async () => {
    for (const { name, type } of await scrape())
      expect([name, type === 'counter']).toEqual([name, name.endsWith('_total')]);
  });

  it('has base units: seconds, bytes, ratios', async () => {
    const scaled =
      /_(milliseconds|microseconds|nanoseconds|ms|us|ns|minutes|hours|days|kilobytes|megabytes|kb|mb|mib|kib|percent)(_|$)/;
    expect((await scrape()).map(({ name }) => name).filter((name) => scaled.test(name))).toEqual([]);
  });

  it('has histograms whose buckets grow up to +Inf, which is their count', async () => {
    const histograms = (await scrape()).filter(({ type }) => type === 'histogram');
    expect(histograms.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'cs_http_request_duration_seconds',
        'cs_heartbeat_commit_duration_seconds',
        'cs_heartbeat_batch_size',
      ]),
    );
    for (const { name, samples } of histograms) {
      const counts = new Map<string, number[]>();
      for (const {
        labels: { le, ...labels },
        value,
      } of samples.filter((sample) => sample.name !== `${name}_sum`)) {
        const key = JSON.stringify(labels);
        counts.set(key, [...(counts.get(key) ?? []), value]);
        if (le === undefined) expect(counts.get(key)?.at(-2)).toBe(value);
      }
      for (const values of counts.values()) expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
  });
});

describe('docs/metrics.md', () => {
  const page = readFileSync(join(projectRoot(), 'docs/metrics.md'), 'utf8').replace(/ +\|/g, ' |');
  const rows = page.split('\n').filter((line) => /^\| `cs_\w+` \| (counter|gauge|histogram) /.test(line));
  const isOptional = (row: string): boolean => row.includes('; only with ');

  it('has a row for each metric, with its type, labels and help, and no other row', async () => {
    const expected = (await scrape())
      .filter(({ name }) => name.startsWith('cs_'))
      .map(({ name, type, help, samples }) => {
        const labels = Object.keys({ ...samples[0]?.labels }).filter((label) => label !== 'le');
        return `| \`${name}\` | ${type} |${labels.map((label) => ` \`${label}\``).join(',')} | ${help} |`;
      });
    expect(rows.filter((row) => !isOptional(row))).toEqual(expected);
  });

  it('names metrics that exist in its alerts', async () => {
    const samples = new Set((await scrape()).flatMap((family) => family.samples.map(({ name }) => name)));
    const optional = rows.filter(isOptional).map((row) => /`(\w+)`/.exec(row)?.[1]);
    const named = [...page.split('## Alerts')[1]!.matchAll(/\bcs_\w+/g)].map(([name]) => name);
    expect(named.length).toBeGreaterThan(4);
    expect(named.filter((name) => !samples.has(name) && !optional.includes(name))).toEqual([]);
  });
});

describe('cs_http_request_duration_seconds', () => {
  it.each([
    ['GET /v1/process-servers/:hostId 404', 'GET /v1/process-servers/00000000-0000-4000-8000-000000000000'],
    ['GET unknown 404', 'GET /nowhere'],
    ['GET unknown 414', `GET /v1/process-servers/${'x'.repeat(200)}`],
    ['other /v1/fleet 405', 'PATCH /v1/fleet'],
    ['HEAD /health/live 200', 'HEAD /health/live'],
    [`POST ${HEARTBEAT_ROUTE} 401`, `POST /v1/process-servers/00000000-0000-4000-8000-000000000000/heartbeats`],
  ])('counts %s', async (series, line) => {
    const count = async (): Promise<number> =>
      valuesOf(await scrape(), 'cs_http_request_duration_seconds_count')[series] ?? 0;
    const before = await count();
    await site.raw(`${line} HTTP/1.1\r\nHost: a\r\nAuthorization: ${site.admin}\r\nConnection: close\r\n\r\n`);
    expect(await count()).toBe(before + 1);
  });

  it.each([
    [200, 1, 'HTTP/1.1 200'],
    [503, 2, 'HTTP/1.1 503'],
  ])('measures a heartbeat of the fast path from its arrival: %i after %i s', async (status, seconds, start) => {
    const series = `POST ${HEARTBEAT_ROUTE} ${status}`;
    const read = async (): Promise<[number, number]> => {
      const families = await scrape();
      const [count, sum] = ['count', 'sum'].map(
        (name) => valuesOf(families, `cs_http_request_duration_seconds_${name}`)[series] ?? 0,
      );
      return [count!, sum!];
    };
    const [countBefore, sumBefore] = await read();
    const other = await site.database.connect();
    await other.query('START TRANSACTION');
    await other.query('SELECT 1 FROM process_server_lease WHERE host_id = ? FOR UPDATE', [server.hostId]);
    const { answer } = await sendHeartbeat();
    site.clock.advanceSeconds(seconds);
    site.replica().receiver.expire();
    await other.query('ROLLBACK');
    expect(await answer).toBe(start);
    await other.end();
    const [count, sum] = await read();
    expect(count).toBe(countBefore + 1);
    expect(sum - sumBefore).toBeGreaterThanOrEqual(seconds);
    expect(sum - sumBefore).toBeLessThan(seconds + 1);
  });
});

it('cs_heartbeat_batch_size and cs_heartbeat_commit_duration_seconds have one observation for each batch', async () => {
  const read = async (): Promise<number[]> => {
    const families = await scrape();
    return [
      'cs_heartbeat_batch_size_count',
      'cs_heartbeat_batch_size_sum',
      'cs_heartbeat_commit_duration_seconds_count',
    ].map((name) => valuesOf(families, name)['']!);
  };
  const before = await read();
  expect((await site.heartbeat(server)).status).toBe(200);
  expect(await read()).toEqual(before.map((value) => value + 1));
});

it('cs_available_seconds_total follows the availability clock', async () => {
  const read = async (): Promise<number> => valuesOf(await scrape(), 'cs_available_seconds_total')['']!;
  await site.recordAvailability();
  const before = await read();
  await site.advance(10);
  expect(await read()).toBe(before + 10);
});

describe('cs_process_servers', () => {
  const NAMES = [
    'cs_process_servers',
    'cs_process_servers_by_lifecycle',
    'cs_process_servers_by_version_status',
    'cs_process_servers_by_health',
  ];

  it('has the whole fleet under each of its four names', async () => {
    const { body } = await site.read<{
      total: number;
      connectionStateByLifecycle: Record<string, Record<string, number>>;
    }>('/v1/fleet');
    const families = await scrape();
    expect(valuesOf(families, 'cs_process_servers')).toEqual(
      Object.fromEntries(
        Object.entries(body.connectionStateByLifecycle).flatMap(([lifecycle, states]) =>
          Object.entries(states).map(([state, count]) => [`${state} ${lifecycle}`, count]),
        ),
      ),
    );
    for (const name of NAMES)
      expect([name, Object.values(valuesOf(families, name)).reduce((sum, value) => sum + value)]).toEqual([
        name,
        body.total,
      ]);
  });

  it('is not counted for a scrape', async () => {
    const replica = await site.addReplica();
    const total = async (): Promise<number> =>
      Object.values(valuesOf(await scrape(replica), 'cs_process_servers')).reduce((sum, value) => sum + value, 0);
    expect(await total()).toBe(0);
    await site.read('/v1/fleet', replica);
    const counted = await total();
    await site.registered();
    site.clock.advanceSeconds(60);
    await site.recordAvailability();
    const counts = jest.spyOn(FleetSummaryQuery.prototype, 'count');
    try {
      expect([await total(), counts.mock.calls]).toEqual([counted, []]);
    } finally {
      counts.mockRestore();
    }
  });
});

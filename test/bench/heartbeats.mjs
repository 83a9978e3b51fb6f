/** Heartbeats per second: against echo servers, against naive implementations, at three fleet sizes, and during a clean-up. */
import { join } from 'node:path';
import { ratioOf, ratios, row, formatSpread, spread } from './statistics.mjs';
import { memoryMiB, startEtcd, startBaseline, startServer } from './programs.mjs';
import { etcdKeepAlives, etcdPuts, heartbeats } from './requests.mjs';
import { attempt, inTurn, measure } from './windows.mjs';

const CONNECTIONS = 512;
/** For the clean-up: a load below the server's capacity. */
const FEW_CONNECTIONS = 64;
const WARM_UP_TIMEOUT_SECONDS = 60;
const CLEAN_UP_TIMEOUT_MS = 120_000;
const ETCD_LEASES = 2_000;

/** Runs once before the measurement: the first heartbeat of each server after a start costs the database twice as much. */
const warmUpAll = (generator, set, port) =>
  attempt(generator.run({ set, port, connections: CONNECTIONS, seconds: WARM_UP_TIMEOUT_SECONDS, once: true }));

const target = (generator, name, set, port, connections = CONNECTIONS) => ({
  name,
  port,
  set,
  take: generator.windowsOf({ set, port, connections }),
});

const ECHOES = ['node:http echo', 'Fastify echo', 'Fastify echo, deferred'];
const WRITERS = ['one UPDATE each', 'TypeORM save'];
const QUICK_ECHOES = ['Fastify echo'];
const QUICK_WRITERS = ['one UPDATE each'];

/** The main comparison, at 100,000 registered servers: first against baselines without writes, then against writers, whose background work goes on after a window. */
export async function compareWithBaselines({ generator, fleet, directory, log, pairs, quick }) {
  await generator.give('heartbeats', heartbeats(fleet.sample));
  const server = await startServer(fleet, join(directory, 'server'));
  await warmUpAll(generator, 'heartbeats', server.port);
  const against = async (which, baselines) => {
    const ours = target(generator, `heartbeat, against ${which}`, 'heartbeats', server.port);
    const others = baselines.map(({ name, set, port }) => target(generator, name, set, port));
    await inTurn([ours, ...others], pairs);
    for (const { stop } of baselines) await stop();
    return {
      rows: [ours, ...others].map((measured) => row(measured)),
      ratios: Object.fromEntries(others.map((other) => [`heartbeat / ${other.name}`, ratioOf(ours, other)])),
    };
  };
  const againstEchoes = await against('echoes', await startBaselines(quick ? QUICK_ECHOES : ECHOES, fleet));
  const writers = await startBaselines(quick ? QUICK_WRITERS : WRITERS, fleet);
  const etcd = quick ? null : await startEtcd(join(directory, 'etcd'));
  if (etcd) {
    await generator.give('etcd puts', etcdPuts(fleet.sample));
    await generator.give('etcd keep-alives', etcdKeepAlives(await grantLeases(etcd.port)));
    writers.push(
      { ...etcd, name: 'etcd put', set: 'etcd puts' },
      { ...etcd, name: 'etcd lease keep-alive', set: 'etcd keep-alives' },
    );
  } else if (!quick) log('etcd is not installed: omitted');
  const againstWriters = await against('writers', writers);
  await server.stop();
  return {
    rows: [...againstEchoes.rows, ...againstWriters.rows],
    ratios: { ...againstEchoes.ratios, ...againstWriters.ratios },
  };
}

async function startBaselines(kinds, fleet) {
  const baselines = [];
  for (const kind of kinds) baselines.push({ ...(await startBaseline(kind, fleet)), name: kind, set: 'heartbeats' });
  return baselines;
}

async function grantLeases(port) {
  const ids = [];
  for (let number = 0; number < ETCD_LEASES; number += 50) {
    const granted = Array.from({ length: 50 }, async () => {
      const response = await fetch(`http://127.0.0.1:${port}/v3/lease/grant`, {
        method: 'POST',
        body: JSON.stringify({ TTL: 600 }),
      });
      return (await response.json()).ID;
    });
    ids.push(...(await Promise.all(granted)));
  }
  return ids;
}

/** The same load at each size but the smallest, and the memory of each server after the same work. */
export async function atSizes({ generator, fleets, directory, pairs }) {
  const targets = [];
  for (const fleet of fleets) {
    const set = `heartbeats of ${fleet.size}`;
    await generator.give(set, heartbeats(fleet.sample));
    const server = await startServer(fleet, join(directory, `server-${fleet.size}`), {}, true);
    const name = `heartbeat, ${fleet.size.toLocaleString('en')} registered`;
    targets.push({ ...target(generator, name, set, server.port), server });
  }
  const [smallest, ...compared] = targets;
  await measure(smallest.take, pairs);
  for (const { set, port } of compared) await warmUpAll(generator, set, port);
  await inTurn(compared, pairs);
  const memory = {};
  for (const { name, server } of targets) memory[name] = await memoryMiB(server);
  for (const { server } of targets) await server.stop();
  const [smaller, largest] = [compared[0], compared.at(-1)];
  const extraHeap = memory[largest.name].heap - memory[smallest.name].heap;
  return {
    rows: compared.map((measured) => row(measured)),
    memory,
    ratios: {
      [`${largest.name} / ${smaller.name}`]: ratioOf(largest, smaller),
      [`MiB more heap used with ${largest.name} than with ${smallest.name}`]: spread([extraHeap]),
    },
  };
}

/** One replica against two on the same database, with the same connections. */
export async function replicas({ generator, fleet, directory, pairs }) {
  await generator.give('heartbeats', heartbeats(fleet.sample));
  const [first, second] = [
    await startServer(fleet, join(directory, 'replica-1')),
    await startServer(fleet, join(directory, 'replica-2')),
  ];
  const one = target(generator, 'one replica', 'heartbeats', first.port);
  const two = target(generator, 'two replicas', 'heartbeats', [first.port, second.port]);
  await inTurn([one, two], pairs);
  for (const { stop } of [first, second]) await stop();
  return { rows: [row(one), row(two)], ratios: { 'two replicas / one': ratioOf(two, one) } };
}

/** Latencies during a clean-up, against the same load before it. */
export async function duringCleanUp({ generator, fleet, directory, entries, log, pairs }) {
  const set = 'heartbeats of Registered servers';
  await generator.give(set, heartbeats(fleet.staying));
  const server = await startServer(fleet, join(directory, 'server-clean-up'), {
    CLEAN_UP_INTERVAL_SECONDS: '1',
    CLEAN_UP_GRACE_SECONDS: '1',
  });
  const without = target(generator, 'without', set, server.port, FEW_CONNECTIONS);
  await inTurn([without], pairs);
  const decommissioned = await fleet.decommission(entries);
  const during = { name: `while ${decommissioned.toLocaleString('en')} are cleaned up`, windows: [], slow: [] };
  const startedAt = performance.now();
  const elapsedMs = () => performance.now() - startedAt;
  let left = decommissioned;
  while (left > 0 && elapsedMs() < CLEAN_UP_TIMEOUT_MS) {
    const { window, slow } = await measure(without.take);
    during.windows.push(window);
    during.slow.push(...slow);
    left = await fleet.countDue();
  }
  const seconds = elapsedMs() / 1000;
  log(`cleaned up ${decommissioned - left} of ${decommissioned} in ${seconds.toFixed(1)} s`);
  await server.stop();
  const base = row(without).p99Ms.median;
  const { values } = row(during).p99Ms;
  return {
    rows: [row(without), row(during, `${formatSpread(spread([(decommissioned - left) / seconds]))} removed a second`)],
    ratios: {
      'p99 during / without': ratios(
        values,
        values.map(() => base),
      ),
    },
    failures: left > 0 ? [`${left} of ${decommissioned} were not cleaned up in time`] : [],
  };
}

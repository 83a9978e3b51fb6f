/** Heartbeats a second: against echoes, against the naive ways, at three sizes, and beside a clean-up. */
import { join } from 'node:path';
import { ratios, formatSpread, spread } from './statistics.mjs';
import { memoryMiB, startEtcd, startBaseline, startServer } from './programs.mjs';
import { etcdKeepAlives, etcdPuts, heartbeats } from './requests.mjs';

const CONNECTIONS = 512;
const PAIRS = 10;
const SECONDS = 0.25;
/** Of each run, before its clock, and longer until each connection has had an answer: the processor's caches are another's, and all begin in the same moment. */
const LEAD_IN_SECONDS = 0.1;
const WARM_UP_SECONDS = 0.3;
const SECONDS_AT_SIZES = 0.3;
const MAX_ROUND_SECONDS = 60;
const ETCD_LEASES = 2_000;

/** Runs each target in turn, over and over, so that what is compared was measured side by side. */
async function interleaved(generator, targets, { connections = CONNECTIONS, seconds = SECONDS } = {}) {
  for (const target of targets) {
    target.runs = [];
    target.offset = (
      await generator.run({ ...orderOf({ ...target, offset: 0 }, connections), seconds: WARM_UP_SECONDS })
    ).nextOffset;
  }
  for (let pair = 0; pair < PAIRS; pair += 1) {
    // There and back: nobody always comes after the same one, whose writing may go on in the background.
    for (const target of pair % 2 === 0 ? targets : targets.toReversed()) {
      const run = await generator.run({ ...orderOf(target, connections), seconds });
      target.offset = run.nextOffset;
      target.runs.push(run);
    }
  }
  return targets;
}

/** Once, before anything is measured: the first time after a start costs the database twice as much. */
const warmUpAll = (generator, set, port) =>
  generator.run({ set, port, connections: CONNECTIONS, seconds: MAX_ROUND_SECONDS, once: true });

const orderOf = ({ set, port, offset }, connections) => ({
  set,
  port,
  offset,
  connections,
  leadInSeconds: LEAD_IN_SECONDS,
});
const rates = ({ runs }) => runs.map(({ perSecond }) => perSecond);

const row = (target, note = '') => ({
  what: target.name,
  perSecond: spread(rates(target)),
  p50Ms: spread(target.runs.map(({ p50Ms }) => p50Ms)),
  p99Ms: spread(target.runs.map(({ p99Ms }) => p99Ms)),
  p999Ms: spread(target.runs.map(({ p999Ms }) => p999Ms)),
  generatorBusy: Math.max(...target.runs.map(({ generatorBusy }) => generatorBusy)),
  note,
});

const ECHOES = ['node:http echo', 'Fastify echo', 'Fastify echo, deferred'];
const WRITERS = ['one UPDATE each', 'TypeORM save'];

/** The main comparison, at 100,000 registered servers: beside those that write nothing, then beside those whose writing goes on for a while in the background. */
export async function compareWithBaselines({ generator, fleet, directory, say }) {
  await generator.give('heartbeats', heartbeats(fleet.sample));
  const server = await startServer(fleet, join(directory, 'server'));
  await warmUpAll(generator, 'heartbeats', server.port);
  const besideEchoes = await compareWithSome(
    generator,
    { name: 'heartbeat, beside echoes', port: server.port },
    await baselinesOf(ECHOES, fleet),
  );
  const writers = await baselinesOf(WRITERS, fleet);
  const etcd = await startEtcd(join(directory, 'etcd'));
  if (etcd) {
    await generator.give('etcd puts', etcdPuts(fleet.sample));
    await generator.give('etcd keep-alives', etcdKeepAlives(await grantLeases(etcd.port)));
    writers.push(
      { ...etcd, name: 'etcd put', set: 'etcd puts' },
      { ...etcd, name: 'etcd lease keep-alive', set: 'etcd keep-alives' },
    );
  } else say('etcd is not installed: left out');
  const besideWriters = await compareWithSome(
    generator,
    { name: 'heartbeat, beside writers', port: server.port },
    writers,
  );
  await server.stop();
  return {
    rows: [...besideEchoes.rows, ...besideWriters.rows],
    ratios: { ...besideEchoes.ratios, ...besideWriters.ratios },
  };
}

async function baselinesOf(kinds, fleet) {
  const baselines = [];
  for (const kind of kinds) baselines.push({ ...(await startBaseline(kind, fleet)), name: kind, set: 'heartbeats' });
  return baselines;
}

async function compareWithSome(generator, heartbeat, others) {
  const [ours, ...baselines] = await interleaved(generator, [{ ...heartbeat, set: 'heartbeats' }, ...others]);
  for (const { stop } of others) await stop();
  return {
    rows: [ours, ...baselines].map((target) => row(target)),
    ratios: Object.fromEntries(
      baselines.map((baseline) => [`heartbeat / ${baseline.name}`, ratios(rates(ours), rates(baseline))]),
    ),
  };
}

async function grantLeases(port) {
  const ids = [];
  for (let number = 0; number < ETCD_LEASES; number += 50) {
    const granted = Array.from({ length: 50 }, async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/v3/lease/grant`, {
        method: 'POST',
        body: JSON.stringify({ TTL: 600 }),
      });
      return (await answer.json()).ID;
    });
    ids.push(...(await Promise.all(granted)));
  }
  return ids;
}

/** The same at each size but the smallest, and the memory that each takes after the same work. */
export async function atSizes({ generator, fleets, directory }) {
  const targets = [];
  for (const fleet of fleets) {
    const set = `heartbeats of ${fleet.size}`;
    await generator.give(set, heartbeats(fleet.sample));
    const server = await startServer(fleet, join(directory, `server-${fleet.size}`), {}, true);
    targets.push({ name: `heartbeat, ${fleet.size.toLocaleString('en')} registered`, set, port: server.port, server });
  }
  const [smallest, ...compared] = targets;
  await generator.run({ ...orderOf({ ...smallest, offset: 0 }, CONNECTIONS), seconds: PAIRS * SECONDS_AT_SIZES });
  for (const { set, port } of compared) await warmUpAll(generator, set, port);
  await interleaved(generator, compared, { seconds: SECONDS_AT_SIZES });
  const memory = {};
  for (const { name, server } of targets) memory[name] = await memoryMiB(server);
  for (const { server } of targets) await server.stop();
  const [smaller, largest] = [compared[0], compared.at(-1)];
  const lockedMore = memory[largest.name].held - memory[smallest.name].held;
  return {
    rows: compared.map((target) => row(target)),
    memory,
    ratios: {
      [`${largest.name} / ${smaller.name}`]: ratios(rates(largest), rates(smaller)),
      [`MiB more held with ${largest.name} than with ${smallest.name}`]: spread([lockedMore]),
    },
  };
}

/** One replica against two on one database, with the same connections. */
export async function replicas({ generator, fleet, directory }) {
  await generator.give('heartbeats', heartbeats(fleet.sample));
  const [first, second] = [
    await startServer(fleet, join(directory, 'replica-1')),
    await startServer(fleet, join(directory, 'replica-2')),
  ];
  const one = { name: 'one replica', set: 'heartbeats', port: first.port };
  const two = { name: 'two replicas', set: 'heartbeats', port: [first.port, second.port] };
  await interleaved(generator, [one, two]);
  for (const { stop } of [first, second]) await stop();
  return { rows: [row(one), row(two)], ratios: { 'two replicas / one': ratios(rates(two), rates(one)) } };
}

/** Latencies while entries are cleaned up, against the same load before. On 64 connections: a load that leaves the server some room. */
export async function duringCleanUp({ generator, fleet, directory, entries, say }) {
  const connections = 64;
  await generator.give('heartbeats of those who stay', heartbeats(fleet.staying));
  const server = await startServer(fleet, join(directory, 'server-clean-up'), {
    CLEAN_UP_INTERVAL_SECONDS: '1',
    CLEAN_UP_GRACE_SECONDS: '1',
  });
  const target = { name: 'without', set: 'heartbeats of those who stay', port: server.port };
  await interleaved(generator, [target], { connections });
  const leaving = await fleet.decommission(entries);
  const during = {
    name: `while ${leaving.toLocaleString('en')} are cleaned up`,
    set: target.set,
    port: server.port,
    offset: target.offset,
    runs: [],
  };
  const startedAt = performance.now();
  for (let left = await fleet.stillLeaving(); left > 0; left = await fleet.stillLeaving()) {
    if (performance.now() - startedAt > 120_000) throw new Error(`the clean-up has not ended: ${left} left`);
    const run = await generator.run({ ...orderOf(during, connections), seconds: SECONDS });
    during.offset = run.nextOffset;
    during.runs.push(run);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  say(`cleaned up ${leaving} in ${seconds.toFixed(1)} s`);
  await server.stop();
  const p99 = (runs) => runs.map(({ p99Ms }) => p99Ms);
  const base = spread(p99(target.runs)).median;
  return {
    rows: [row(target), row(during, `${formatSpread(spread([leaving / seconds]))} removed a second`)],
    ratios: { 'p99 during / without': spread(p99(during.runs).map((value) => value / base)) },
  };
}

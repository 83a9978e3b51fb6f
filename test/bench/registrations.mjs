/** Registrations: new ones, repeated ones, and everybody at once. */
import { join } from 'node:path';
import { PASSPHRASE } from './fleet.mjs';
import { ratios, spread } from './figures.mjs';
import { startServer } from './programs.mjs';
import { heartbeats, registrations } from './requests.mjs';

const CONNECTIONS = 64;
const STORM_CONNECTIONS = 512;
const SECONDS = 2;

export async function registering({ generator, fleet, directory, storm, say }) {
  const server = await startServer(fleet, join(directory, 'server-registrations'));
  const newcomers = fleet.hosts(fleet.size, 20_000);
  await generator.give('new', registrations(newcomers, PASSPHRASE));
  const first = await generator.run({ set: 'new', port: server.port, connections: CONNECTIONS, seconds: SECONDS, once: true }, ['201']);
  const known = newcomers.slice(0, first.answers);
  await generator.give('again', registrations(known, PASSPHRASE));
  const again = await generator.run({ set: 'again', port: server.port, connections: CONNECTIONS, seconds: SECONDS, once: true }, ['200']);

  // Everybody who is registered, at once; a few who had registered before the storm go on beating.
  await generator.give('storm', registrations(fleet.hosts(0, storm), PASSPHRASE));
  const others = fleet.sample.filter(({ number }) => number >= storm);
  const beats = others.length > 0 ? await besides(server.port, heartbeats(others)) : null;
  const during = await generator.run({ set: 'storm', port: server.port, connections: STORM_CONNECTIONS, seconds: 240, once: true }, ['200', '201', '503']);
  const heard = beats && (await beats.end());
  const registered = await fleet.registeredSince(storm);
  say(`${registered} of ${storm} registered again in ${during.elapsedSeconds.toFixed(1)} s`);
  await server.stop();
  const row = (what, run, note = '') => ({ what, perSecond: spread([run.perSecond]), p50Ms: spread([run.p50Ms]), p99Ms: spread([run.p99Ms]), p999Ms: spread([run.p999Ms]), generatorBusy: run.generatorBusy, note });
  const rows = [
    row('register, new', first),
    row('register again', again),
    row(`restart storm of ${storm.toLocaleString('en')}`, during, `${JSON.stringify(during.statuses)}, ${registered} registered again`),
  ];
  if (heard) rows.push({ ...row('heartbeats of others meanwhile', heard), note: JSON.stringify(heard.statuses) });
  return { rows, ratios: { 'register again / new': ratios([again.perSecond], [first.perSecond]) } };
}

/** Some who beat once a second each, on connections of their own, in this process: slow enough to be no load. */
async function besides(port, requests) {
  const { connect } = await import('node:net');
  const latencies = [];
  const statuses = {};
  const startedAt = performance.now();
  const beaters = Array.from({ length: 20 }, (_, number) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let next = number;
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      socket.write(requests[next % requests.length]);
      next += 20;
    };
    socket.on('data', (chunk) => {
      latencies.push(performance.now() - sentAt);
      const status = chunk.latin1Slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
    });
    return { socket, timer: setInterval(send, 1_000) };
  });
  return {
    async end() {
      for (const { socket, timer } of beaters) {
        clearInterval(timer);
        socket.destroy();
      }
      const sorted = latencies.sort((a, b) => a - b);
      const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
      return { perSecond: latencies.length / ((performance.now() - startedAt) / 1000), p50Ms: at(0.5), p99Ms: at(0.99), p999Ms: at(0.999), statuses, generatorBusy: 0 };
    },
  };
}

/** Registrations: new ones, repeated ones, and everybody at once. */
import { join } from 'node:path';
import { beating } from './background-heartbeats.mjs';
import { PASSPHRASE } from './fleet.mjs';
import { ratios, spread } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { heartbeats, registrations } from './requests.mjs';

const CONNECTIONS = 64;
const STORM_CONNECTIONS = 512;
const SECONDS = 1.5;

export async function registering({ generator, fleet, directory, storm, say }) {
  const server = await startServer(fleet, join(directory, 'server-registrations'));
  const newcomers = fleet.hosts(fleet.size, 20_000);
  await generator.give('new', registrations(newcomers, PASSPHRASE));
  const first = await generator.run(
    { set: 'new', port: server.port, connections: CONNECTIONS, seconds: SECONDS, once: true },
    ['201'],
  );
  const known = newcomers.slice(0, first.answers);
  await generator.give('again', registrations(known, PASSPHRASE));
  const again = await generator.run(
    { set: 'again', port: server.port, connections: CONNECTIONS, seconds: SECONDS, once: true },
    ['200'],
  );

  // Everybody who is registered, at once; a few who had registered before the storm go on beating.
  await generator.give('storm', registrations(fleet.hosts(0, storm), PASSPHRASE));
  const others = fleet.staying.filter(({ number }) => number >= storm);
  const beats = others.length > 0 ? beating(server.port, heartbeats(others)) : null;
  const during = await generator.run(
    { set: 'storm', port: server.port, connections: STORM_CONNECTIONS, seconds: 240, once: true },
    ['200', '201', '503'],
  );
  const heard = beats && (await beats.end());
  if (
    heard &&
    (heard.unanswered > 0 ||
      !heard.statuses['200'] ||
      Object.keys(heard.statuses).some((status) => !['200', '503'].includes(status)))
  ) {
    throw new Error(
      `heartbeats of others meanwhile: ${JSON.stringify(heard.statuses)}, ${heard.unanswered} without an answer`,
    );
  }
  const registered = (await fleet.registeredAgain()) - again.answers;
  if (registered !== storm) throw new Error(`${registered} of ${storm} registered again`);
  say(`${registered} of ${storm} registered again in ${during.elapsedSeconds.toFixed(1)} s`);
  await server.stop();
  const row = (what, run, note = '') => ({
    what,
    perSecond: spread([run.perSecond]),
    p50Ms: spread([run.p50Ms]),
    p99Ms: spread([run.p99Ms]),
    p999Ms: spread([run.p999Ms]),
    generatorBusy: run.generatorBusy,
    note,
  });
  const rows = [
    row('register, new', first),
    row('register again', again),
    row(
      `restart storm of ${storm.toLocaleString('en')}`,
      during,
      `${JSON.stringify(during.statuses)}, ${registered} registered again`,
    ),
  ];
  if (heard) rows.push({ ...row('heartbeats of others meanwhile', heard), note: JSON.stringify(heard.statuses) });
  return { rows, ratios: { 'register again / new': ratios([again.perSecond], [first.perSecond]) } };
}

/** Registrations: first ones, repeated ones, and a storm of the whole fleet. */
import { join } from 'node:path';
import { startBackgroundHeartbeats } from './background-heartbeats.mjs';
import { PASSPHRASE } from './fleet.mjs';
import { row } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { heartbeats, registrations } from './requests.mjs';
import { attempt, inTurn, rejectionOf } from './windows.mjs';

const CONNECTIONS = 64;
const STORM_CONNECTIONS = 512;
const STORM_TIMEOUT_SECONDS = 240;
const NEW_HOSTS = 50_000;
const MAX_WINDOWS = 5;

export async function registering({ generator, fleet, directory, storm, log, pairs }) {
  const { port, stop } = await startServer(fleet, join(directory, 'server-registrations'));
  const rows = [];
  const rates = async (name, set, hosts, expected) => {
    await generator.give(set, registrations(hosts, PASSPHRASE));
    const target = { name, take: generator.windowsOf({ set, port, connections: CONNECTIONS }, expected) };
    await inTurn([target], Math.min(pairs, MAX_WINDOWS));
    rows.push(row(target));
    return target.windows.findLast((window) => window)?.nextOffset ?? 0;
  };
  const newHosts = fleet.hosts(fleet.size, NEW_HOSTS);
  const count = await rates('register, new', 'new', newHosts, ['201']);
  await rates('register again', 'again', newHosts.slice(0, count), ['200']);

  // All hosts register at once; a few that registered before the storm continue to send heartbeats.
  await generator.give('storm', registrations(fleet.hosts(0, storm), PASSPHRASE));
  const others = fleet.staying.filter(({ number }) => number >= storm);
  const registeredBefore = await fleet.countReregistered();
  const background = others.length > 0 ? startBackgroundHeartbeats(port, heartbeats(others)) : null;
  const startedAt = performance.now();
  const order = { set: 'storm', port, connections: STORM_CONNECTIONS, seconds: STORM_TIMEOUT_SECONDS, once: true };
  const during = await attempt(generator.run(order, ['200', '201', '503']));
  const seconds = (performance.now() - startedAt) / 1000;
  const meanwhile = background && (await background.end());
  const registered = (await fleet.countReregistered()) - registeredBefore;
  log(`${registered} of ${storm} registered again in ${seconds.toFixed(1)} s`);
  await stop();
  const stormRow = (name, window, note) => {
    const reason = rejectionOf(window);
    const described = [JSON.stringify(window.statuses), note].filter(Boolean).join(', ');
    rows.push(row({ name, windows: [window.error ? null : window], slow: reason ? [reason] : [] }, described));
    return reason ? [`${name}: ${reason}`] : [];
  };
  const failures = stormRow(
    `reconnect storm of ${storm.toLocaleString('en')}`,
    during,
    `${registered} registered again`,
  );
  if (registered !== storm) failures.push(`${registered} of ${storm} registered again`);
  if (meanwhile) {
    failures.push(...stormRow('heartbeats of others meanwhile', { ...meanwhile, expected: ['200', '503'] }));
    if (meanwhile.unanswered > 0) failures.push(`${meanwhile.unanswered} heartbeats of others without a response`);
  }
  return { rows, ratios: {}, failures };
}

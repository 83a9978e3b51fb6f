/** Regular heartbeats while slow clients hold connections and never complete a request. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startBackgroundHeartbeats } from './background-heartbeats.mjs';
import { ratios, spread } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { heartbeats } from './requests.mjs';

const SLOW_CLIENTS = 2_000;
const SECONDS = 6;
const DRIP_INTERVAL_MS = 500;
const RECONNECT_DELAY_MS = 250;
const REQUEST_PREFIXES = [
  '',
  'POST /v1/process-servers/',
  'GET /v1/fleet HTTP/1.1\r\nHost: a\r\nX-Slow: ',
  'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{',
];

/** With room for all connections, and with room for half of them: the server then closes the connections idle longest. */
export async function withSlowClients({ fleet, directory }) {
  const rows = [];
  const measured = {};
  for (const [limit, room] of [
    [20_000, 'room for all'],
    [SLOW_CLIENTS / 2, 'room for half'],
  ]) {
    const server = await startServer(fleet, join(directory, `server-slow-${limit}`), {
      HTTP_MAX_CONNECTIONS: String(limit),
    });
    await measureHeartbeats(server.port, fleet.sample, 1); // warm
    const without = await measureHeartbeats(server.port, fleet.sample, SECONDS);
    const attack = startSlowClients(server.port);
    await pause(1_000);
    const during = await measureHeartbeats(server.port, fleet.sample, SECONDS);
    const { connections, opened } = await attack.end();
    await server.stop();
    measured[room] = { without, during };
    rows.push(
      ...rowsOf(without, `, ${room}`, ''),
      ...rowsOf(
        during,
        ` with ${SLOW_CLIENTS} slow clients, ${room}`,
        `${connections} open at the end, ${opened} opened`,
      ),
    );
  }
  return {
    rows,
    ratios: Object.fromEntries(
      Object.entries(measured).map(([room, { without, during }]) => [
        `p50 with slow clients / without, ${room}`,
        ratios([during.kept.p50Ms, during.reconnecting.p50Ms], [without.kept.p50Ms, without.reconnecting.p50Ms]),
      ]),
    ),
  };
}

const rowsOf = (run, condition, note) =>
  Object.entries({ 'on a kept connection': run.kept, 'on a new connection': run.reconnecting }).map(
    ([which, { perSecond, p50Ms, p99Ms, maxMs, unanswered, statuses }]) => ({
      what: `heartbeat ${which}${condition}`,
      perSecond: spread([perSecond]),
      p50Ms: spread([p50Ms]),
      p99Ms: spread([p99Ms]),
      note: [`longest ${maxMs.toFixed(1)} ms`, JSON.stringify(statuses), `${unanswered} unanswered`, note]
        .filter(Boolean)
        .join(', '),
    }),
  );

/** Senders on kept connections, and senders with a new connection for each heartbeat. */
async function measureHeartbeats(port, sample, seconds) {
  const half = sample.length / 2;
  const kept = startBackgroundHeartbeats(port, heartbeats(sample.slice(0, half)), { everyMs: 100 });
  const reconnecting = startBackgroundHeartbeats(port, heartbeats(sample.slice(half)), {
    everyMs: 100,
    reconnect: true,
  });
  await pause(seconds * 1000);
  return { kept: await kept.end(), reconnecting: await reconnecting.end() };
}

/** Each client sends one byte every half second; a client whose connection was closed reconnects. */
function startSlowClients(port) {
  const sockets = new Set();
  let isOver = false;
  let opened = 0;
  const open = (number) => {
    if (isOver) return;
    opened += 1;
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      setTimeout(open, RECONNECT_DELAY_MS, number);
    });
    socket.write(REQUEST_PREFIXES[number % REQUEST_PREFIXES.length] || 'P');
  };
  for (let number = 0; number < SLOW_CLIENTS; number += 1) open(number);
  const drip = setInterval(() => {
    for (const socket of sockets) socket.write('x');
  }, DRIP_INTERVAL_MS);
  return {
    async end() {
      isOver = true;
      clearInterval(drip);
      const connections = sockets.size;
      for (const socket of sockets) socket.destroy();
      await pause(RECONNECT_DELAY_MS);
      return { connections, opened };
    },
  };
}

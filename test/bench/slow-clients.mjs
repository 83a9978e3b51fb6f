/** Honest heartbeats while clients hold connections and never finish what they say. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beating } from './background-heartbeats.mjs';
import { ratios, spread } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { heartbeats } from './requests.mjs';

const ATTACKERS = 2_000;
const SECONDS = 6;
const DRIP_EVERY_MS = 500;
const COMES_AGAIN_AFTER_MS = 250;
const BEGINNINGS = [
  '',
  'POST /v1/process-servers/',
  'GET /v1/fleet HTTP/1.1\r\nHost: a\r\nX-Slow: ',
  'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{',
];

/** With room for all of them, and with room for half: then those make room who ask for nothing. */
export async function withSlowClients({ fleet, directory }) {
  const rows = [];
  const measured = {};
  for (const [limit, room] of [
    [20_000, 'room for all'],
    [ATTACKERS / 2, 'room for half'],
  ]) {
    const server = await startServer(fleet, join(directory, `server-slow-${limit}`), {
      HTTP_MAX_CONNECTIONS: String(limit),
    });
    await heard(server.port, fleet.sample, 1); // warm
    const without = await heard(server.port, fleet.sample, SECONDS);
    const attack = attacking(server.port);
    await pause(1_000);
    const during = await heard(server.port, fleet.sample, SECONDS);
    const { connections, comings } = await attack.end();
    await server.stop();
    measured[room] = { without, during };
    rows.push(
      ...rowsOf(without, `, ${room}`, ''),
      ...rowsOf(
        during,
        ` beside ${ATTACKERS} slow clients, ${room}`,
        `${connections} open at the end, ${comings} opened`,
      ),
    );
  }
  return {
    rows,
    ratios: Object.fromEntries(
      Object.entries(measured).map(([room, { without, during }]) => [
        `p50 beside slow clients / without, ${room}`,
        ratios([during.kept.p50Ms, during.anew.p50Ms], [without.kept.p50Ms, without.anew.p50Ms]),
      ]),
    ),
  };
}

const rowsOf = (run, beside, note) =>
  Object.entries({ 'on a kept connection': run.kept, 'on a new one each': run.anew }).map(
    ([which, { perSecond, p50Ms, p99Ms, maxMs, unanswered, statuses }]) => ({
      what: `heartbeat ${which}${beside}`,
      perSecond: spread([perSecond]),
      p50Ms: spread([p50Ms]),
      p99Ms: spread([p99Ms]),
      note: [`longest ${maxMs.toFixed(1)} ms`, JSON.stringify(statuses), `${unanswered} unanswered`, note]
        .filter(Boolean)
        .join(', '),
    }),
  );

/** Who beats on the connection that it has, and who opens one for each beat. */
async function heard(port, sample, seconds) {
  const half = sample.length / 2;
  const kept = beating(port, heartbeats(sample.slice(0, half)), { everyMs: 100 });
  const anew = beating(port, heartbeats(sample.slice(half)), { everyMs: 100, anew: true });
  await pause(seconds * 1000);
  return { kept: await kept.end(), anew: await anew.end() };
}

/** Each says a little every half second; whoever is thrown out comes again. */
function attacking(port) {
  const sockets = new Set();
  let isOver = false;
  let comings = 0;
  const come = (number) => {
    if (isOver) return;
    comings += 1;
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      setTimeout(come, COMES_AGAIN_AFTER_MS, number);
    });
    socket.write(BEGINNINGS[number % BEGINNINGS.length] || 'P');
  };
  for (let number = 0; number < ATTACKERS; number += 1) come(number);
  const drip = setInterval(() => {
    for (const socket of sockets) socket.write('x');
  }, DRIP_EVERY_MS);
  return {
    async end() {
      isOver = true;
      clearInterval(drip);
      const connections = sockets.size;
      for (const socket of sockets) socket.destroy();
      await pause(COMES_AGAIN_AFTER_MS);
      return { connections, comings };
    },
  };
}

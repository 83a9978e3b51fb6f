/** Background heartbeats from this process, one a second from each of a few senders: too slow to add load to the measurement. */
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const BACKGROUND_SENDERS = 20;
/** Time to wait for the last responses. */
const DRAIN_MS = 2_000;

/** Sends on kept connections, or with `reconnect` on a new connection for each heartbeat. `end` returns the latencies. */
export function startBackgroundHeartbeats(port, requests, { everyMs = 1_000, reconnect = false } = {}) {
  const latencies = [];
  const statuses = {};
  const sockets = new Set();
  const startedAt = performance.now();
  let sent = 0;
  const open = (state) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.add(socket);
    socket.on('data', (chunk) => {
      latencies.push(performance.now() - state.sentAt);
      const status = chunk.latin1Slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (reconnect) socket.end();
    });
    socket.on('error', () => undefined); // counted as unanswered
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const timers = Array.from({ length: BACKGROUND_SENDERS }, (_, number) => {
    const state = { sentAt: 0 };
    const kept = reconnect ? null : open(state);
    let next = number;
    return setInterval(() => {
      state.sentAt = performance.now();
      (kept ?? open(state)).write(requests[next % requests.length]);
      next += BACKGROUND_SENDERS;
      sent += 1;
    }, everyMs);
  });
  return {
    async end() {
      for (const timer of timers) clearInterval(timer);
      const elapsedSeconds = (performance.now() - startedAt) / 1000;
      await pause(DRAIN_MS);
      for (const socket of sockets) socket.destroy();
      const sorted = latencies.sort((a, b) => a - b);
      const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
      return {
        perSecond: latencies.length / elapsedSeconds,
        responses: latencies.length,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
        p999Ms: at(0.999),
        maxMs: at(1),
        unanswered: sent - latencies.length,
        statuses,
        generatorBusy: 0,
      };
    },
  };
}

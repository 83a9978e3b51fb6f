/** Some who beat once a second each, in this process: slow enough to be no load beside what they are measured in. */
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const BACKGROUND_SENDERS = 20;
/** Answers that are under way at the end are waited for. */
const DRAIN_MS = 2_000;

/** On connections of their own, or with `anew` on a new one for each beat. `end` tells how long their answers took. */
export function beating(port, requests, { everyMs = 1_000, anew = false } = {}) {
  const latencies = [];
  const statuses = {};
  const sockets = new Set();
  const startedAt = performance.now();
  let sent = 0;
  const opened = (state) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    sockets.add(socket);
    socket.on('data', (chunk) => {
      latencies.push(performance.now() - state.sentAt);
      const status = chunk.latin1Slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (anew) socket.end();
    });
    socket.on('error', () => undefined); // it is counted as one without an answer
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const timers = Array.from({ length: BACKGROUND_SENDERS }, (_, number) => {
    const state = { sentAt: 0 };
    const own = anew ? null : opened(state);
    let next = number;
    return setInterval(() => {
      state.sentAt = performance.now();
      (own ?? opened(state)).write(requests[next % requests.length]);
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
        answers: latencies.length,
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

/**
 * A load generator in a process of its own: each connection sends one request, waits for its answer, sends the next. Bytes
 * in, bytes out: it knows just enough HTTP to find the status and the end of an answer, so that it costs far less than a server.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Beyond the end of a run. */
const LONGEST_ANSWER_MS = 15_000;

/** Requests by the name of their set. */
const sets = new Map();

process.on('message', (message) => {
  if (message.kind === 'requests') {
    sets.set(message.set, message.requests.map((bytes) => Buffer.from(bytes)));
    process.send({ kind: 'ready' });
  } else if (message.kind === 'run') {
    run(message).then((result) => process.send({ kind: 'result', ...result }), (error) => process.send({ kind: 'failed', message: error.message }));
  } else process.exit(0);
});

/**
 * Runs until the time or, with `once`, the requests are over; several ports share the connections. `offset` says where in the
 * requests to begin. The clock runs from when all are connected, and counts what is answered while it runs.
 */
async function run({ set, port, connections, seconds, offset = 0, once: onlyOnce = false }) {
  const requests = sets.get(set);
  const ports = [port].flat();
  const sockets = await Promise.all(Array.from({ length: connections }, (_, number) => connected(ports[number % ports.length])));
  const statuses = {};
  const latenciesUs = [];
  let next = offset;
  let inTime = 0;
  const startedAt = performance.now();
  const deadline = startedAt + seconds * 1000;
  const idle = performance.eventLoopUtilization();
  const take = () => (onlyOnce && next >= requests.length ? undefined : requests[next++ % requests.length]);

  await Promise.all(
    sockets.map((socket) =>
      new Promise((resolve, reject) => {
        let sentAt = 0;
        let pending = null;
        const send = () => {
          const request = performance.now() < deadline ? take() : undefined;
          if (request === undefined) {
            socket.destroy();
            resolve();
            return;
          }
          sentAt = performance.now();
          socket.write(request);
        };
        // One that is not answered at all ends the run as a failure, instead of never.
        const late = setTimeout(() => socket.destroy(new Error(`no answer within ${LONGEST_ANSWER_MS} ms of the end`)), seconds * 1000 + LONGEST_ANSWER_MS);
        socket.on('data', (chunk) => {
          const answer = pending === null ? chunk : Buffer.concat([pending, chunk]);
          const total = lengthOf(answer);
          if (total === null || answer.length < total) {
            pending = answer;
            return;
          }
          pending = null;
          const now = performance.now();
          if (onlyOnce || now <= deadline) inTime += 1;
          latenciesUs.push(Math.round((now - sentAt) * 1000));
          const status = answer.latin1Slice(9, 12);
          statuses[status] = (statuses[status] ?? 0) + 1;
          send();
        });
        socket.once('error', reject);
        socket.once('close', () => {
          clearTimeout(late);
          resolve();
        });
        send();
      }),
    ),
  );
  const elapsedSeconds = onlyOnce ? (performance.now() - startedAt) / 1000 : seconds;
  const sorted = Uint32Array.from(latenciesUs).sort();
  const at = (share) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) / 1000;
  return {
    answers: sorted.length,
    perSecond: inTime / elapsedSeconds,
    elapsedSeconds,
    statuses,
    p50Ms: at(0.5),
    meanMs: latenciesUs.reduce((sum, us) => sum + us, 0) / Math.max(1, latenciesUs.length) / 1000,
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    nextOffset: next,
    generatorBusy: performance.eventLoopUtilization(idle).utilization,
  };
}

async function connected(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** The length of the whole answer, or null while its head is not whole. */
function lengthOf(answer) {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = answer.latin1Slice(0, headEnd).toLowerCase();
  if (head.includes('transfer-encoding: chunked')) return answer.latin1Slice(answer.length - 5) === '0\r\n\r\n' ? answer.length : null;
  const from = head.indexOf('content-length:');
  if (from < 0) return headEnd + 4;
  return headEnd + 4 + parseInt(head.slice(from + 15, from + 27), 10);
}

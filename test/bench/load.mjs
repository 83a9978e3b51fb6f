/**
 * A load generator in its own process: each connection sends one request, waits for its response, and sends the next one. It parses just
 * enough HTTP to find the status and the end of a response, so it costs far less than a server.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Timeout of the last responses after the end of a run. */
const RESPONSE_TIMEOUT_MS = 15_000;
const CONCURRENT_FIRST_REQUESTS = 32;

/** Requests by the name of their set. */
const sets = new Map();

process.on('message', (message) => {
  if (message.kind === 'requests') {
    sets.set(
      message.set,
      message.requests.map((bytes) => Buffer.from(bytes)),
    );
    process.send({ kind: 'ready' });
  } else if (message.kind === 'run') {
    run(message).then(
      (result) => process.send({ kind: 'result', ...result }),
      (error) => process.send({ kind: 'failed', message: error.message }),
    );
  } else process.exit(0);
});

/** Connections by port and count: kept between runs, like those of a fleet. */
const clientsByName = new Map();

/**
 * Sends requests until the time is over or, with `once`, until all are sent; several ports share the connections. `offset` is the first
 * request. Every connection is used before the measurement, like those of a fleet. The clock starts under load, once the lead-in is over
 * and each connection has had a response; responses within its time count, with their latencies. With `once`, the time is measured from
 * the last connect to the last response.
 */
async function run({ set, port, connections, seconds, leadInSeconds = 0, offset = 0, once: onlyOnce = false }) {
  const requests = sets.get(set);
  const statuses = new Map();
  const latenciesUs = [];
  let next = offset;
  const nextRequest = () => requests[next++ % requests.length];
  const countStatus = (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const name = `${connections} on ${port}`;
  // An unanswered request fails the run instead of blocking it for ever.
  const timeout = setTimeout(
    () => clientsByName.get(name).forEach((client) => client.fail('a request was not answered in time')),
    (leadInSeconds + seconds) * 1000 + RESPONSE_TIMEOUT_MS,
  );
  try {
    const { clients, areNew } = await clientsOf(name, [port].flat(), connections);
    if (areNew && !onlyOnce) await primeConnections(clients, nextRequest, countStatus);
    const startedAt = performance.now();
    let clock = onlyOnce ? clockFrom(startedAt, seconds) : null;
    let unanswered = clients.length;
    const sendRequests = (client) =>
      new Promise((done, failed) => {
        let isFirst = true;
        const sendNext = () => {
          if ((clock && performance.now() >= clock.endsAt) || (onlyOnce && next >= requests.length)) done();
          else client.send(nextRequest());
        };
        client.failed = failed;
        client.onResponse = (status, tookMs) => {
          countStatus(status);
          const now = performance.now();
          if (onlyOnce || (clock && now >= clock.startsAt && now <= clock.endsAt))
            latenciesUs.push(Math.round(tookMs * 1000));
          if (isFirst) unanswered -= 1;
          isFirst = false;
          if (unanswered === 0) clock ??= clockFrom(Math.max(now, startedAt + leadInSeconds * 1000), seconds);
          sendNext();
        };
        sendNext();
      });
    await Promise.all(clients.map(sendRequests));
    return summarize({
      latenciesUs,
      statuses,
      next,
      busy: clock.busy(),
      seconds: onlyOnce ? (performance.now() - startedAt) / 1000 : seconds,
    });
  } catch (error) {
    closeConnections(name); // the other connections would continue this run
    throw error;
  } finally {
    clearTimeout(timeout);
  }
}

/** The period in which responses count, and how busy this process is in it. */
function clockFrom(startsAt, seconds) {
  const idle = performance.eventLoopUtilization();
  let busy = null;
  const endsAt = startsAt + seconds * 1000;
  const ended = setTimeout(
    () => (busy = performance.eventLoopUtilization(idle).utilization),
    endsAt - performance.now(),
  );
  return {
    startsAt,
    endsAt,
    busy() {
      clearTimeout(ended);
      return busy ?? performance.eventLoopUtilization(idle).utilization;
    },
  };
}

function summarize({ latenciesUs, statuses, next, busy, seconds }) {
  const sorted = Uint32Array.from(latenciesUs).sort();
  const at = (share) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) / 1000;
  return {
    responses: sorted.length,
    perSecond: sorted.length / seconds,
    statuses: Object.fromEntries(statuses),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    nextOffset: next,
    generatorBusy: busy,
  };
}

/** The connections of the previous runs, or new ones if a server has closed any. */
async function clientsOf(name, ports, connections) {
  const before = clientsByName.get(name) ?? [];
  const error = before.find((client) => client.error)?.error;
  if (error) throw error;
  if (before.length > 0 && before.every(({ isOpen }) => isOpen)) return { clients: before, areNew: false };
  closeConnections(name);
  const clients = Array.from({ length: connections }, (_, number) => new Client(ports[number % ports.length]));
  clientsByName.set(name, clients);
  await Promise.all(clients.map(({ connected }) => connected));
  return { clients, areNew: true };
}

function closeConnections(name) {
  for (const client of clientsByName.get(name) ?? []) client.end();
  clientsByName.delete(name);
}

/** A few at a time: Node accepts one connection in each turn of the event loop, so under load the last one would wait for seconds. */
async function primeConnections(clients, nextRequest, countStatus) {
  const unused = [...clients];
  const use = async () => {
    for (let client = unused.pop(); client; client = unused.pop()) {
      countStatus(
        await new Promise((onResponse, failed) => {
          Object.assign(client, { onResponse, failed });
          client.send(nextRequest());
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_FIRST_REQUESTS }, use));
}

const EMPTY_BUFFER = Buffer.alloc(0);

/** Read buffer of all connections, used one after the other: incomplete responses are copied. */
const shared = Buffer.alloc(64 * 1024);

/** One connection: sends a request, receives its response, sends the next. */
class Client {
  onResponse = null;
  failed = null;
  isOpen = true;
  /** An error while no request was pending. */
  error = null;
  #isWaiting = false;
  #pending = null;
  /** The previous response. A response of this length with the same content-length header in the same place is complete, and its head is not parsed. */
  #length = 0;
  #lengthHeader = EMPTY_BUFFER;
  #lengthHeaderAt = 0;
  #sentAt = 0;
  #socket;

  constructor(port) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: shared, callback: (length, bytes) => this.#read(bytes.subarray(0, length)) },
    });
    this.connected = once(this.#socket, 'connect');
    this.#socket
      .on('error', () => undefined)
      .once('close', () => {
        this.isOpen = false;
        if (this.#isWaiting) this.failed(new Error('a connection was closed before its response'));
      });
  }

  send(request) {
    if (!this.isOpen) return this.failed(new Error('a connection was closed before its request'));
    this.#isWaiting = true;
    this.#sentAt = performance.now();
    this.#socket.write(request);
  }

  end() {
    this.#socket.destroy();
  }

  fail(message) {
    if (this.#isWaiting) this.failed(new Error(message));
    else this.error = new Error(message);
    this.#socket.destroy();
  }

  #isLikePrevious(response) {
    const [from, header] = [this.#lengthHeaderAt, this.#lengthHeader];
    return response.length === this.#length && header.compare(response, from, from + header.length) === 0;
  }

  #read(bytes) {
    if (!this.#isWaiting) return (this.fail('a response without a request'), true);
    const response = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
    if (!this.#isLikePrevious(response)) {
      const total = lengthOf(response);
      if (total === null || response.length < total) {
        this.#pending = Buffer.from(response);
        return true;
      }
      if (response.length > total) return (this.fail('more than one response to a request'), true);
      this.#length = total;
      this.#lengthHeaderAt = Math.max(0, response.indexOf('ontent-length:'));
      const end = response.indexOf('\r\n', this.#lengthHeaderAt) + 2;
      this.#lengthHeader = Buffer.from(response.subarray(this.#lengthHeaderAt, end));
    }
    this.#pending = null;
    this.#isWaiting = false;
    this.onResponse(response.latin1Slice(9, 12), performance.now() - this.#sentAt);
    return true;
  }
}

/** The length of the complete response; null if its head is incomplete. */
function lengthOf(response) {
  const headEnd = response.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = response.latin1Slice(0, headEnd).toLowerCase();
  if (head.includes('transfer-encoding: chunked'))
    return response.latin1Slice(response.length - 5) === '0\r\n\r\n' ? response.length : null;
  const from = head.indexOf('content-length:');
  if (from < 0) return headEnd + 4;
  return headEnd + 4 + parseInt(head.slice(from + 15, from + 27), 10);
}

/**
 * A load generator in a process of its own: each connection sends one request, waits for its answer, sends the next. Bytes
 * in, bytes out: it knows just enough HTTP to find the status and the end of an answer, so that it costs far less than a server.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

/** Beyond the end of a run. */
const LONGEST_ANSWER_MS = 15_000;
const USED_AT_ONCE = 32;

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

/** Connections by their ports and number: kept from run to run, as a fleet keeps its own. */
const kept = new Map();

/**
 * Runs until the time or, with `once`, the requests are over; several ports share the connections. `offset` says where in the
 * requests to begin. All connections have been used before, as those of a fleet have. The clock runs in the midst of the load, from when
 * the lead-in is over and each connection has had an answer: what is answered while it runs counts, as does how long that took. With `once` it
 * runs from when all are connected to the last answer.
 */
async function run({ set, port, connections, seconds, leadInSeconds = 0, offset = 0, once: onlyOnce = false }) {
  const requests = sets.get(set);
  const statuses = new Map();
  const latenciesUs = [];
  let next = offset;
  const take = () => requests[next++ % requests.length];
  const noted = (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1);
  const name = `${connections} on ${port}`;
  // One that is not answered at all ends the run as a failure, instead of never.
  const late = setTimeout(
    () => kept.get(name).forEach((client) => client.fail('a request was not answered in time')),
    (leadInSeconds + seconds) * 1000 + LONGEST_ANSWER_MS,
  );
  try {
    const { clients, areNew } = await clientsOf(name, [port].flat(), connections);
    if (areNew && !onlyOnce) await useEach(clients, take, noted);
    const beganAt = performance.now();
    let clock = onlyOnce ? clockFrom(beganAt, seconds) : null;
    let withoutAnswer = clients.length;
    const work = (client) =>
      new Promise((finished, failed) => {
        let isFirst = true;
        const sendNext = () => {
          if ((clock && performance.now() >= clock.endsAt) || (onlyOnce && next >= requests.length)) finished();
          else client.send(take());
        };
        client.failed = failed;
        client.answered = (status, tookMs) => {
          noted(status);
          const now = performance.now();
          if (onlyOnce || (clock && now >= clock.startsAt && now <= clock.endsAt))
            latenciesUs.push(Math.round(tookMs * 1000));
          if (isFirst) withoutAnswer -= 1;
          isFirst = false;
          if (withoutAnswer === 0) clock ??= clockFrom(Math.max(now, beganAt + leadInSeconds * 1000), seconds);
          sendNext();
        };
        sendNext();
      });
    await Promise.all(clients.map(work));
    return figures({
      latenciesUs,
      statuses,
      next,
      busy: clock.busy(),
      seconds: onlyOnce ? (performance.now() - beganAt) / 1000 : seconds,
    });
  } catch (error) {
    closeConnections(name); // the other connections would go on with this run
    throw error;
  } finally {
    clearTimeout(late);
  }
}

/** When what is answered counts, and how busy this process was from now on until then. */
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

function figures({ latenciesUs, statuses, next, busy, seconds }) {
  const sorted = Uint32Array.from(latenciesUs).sort();
  const at = (share) => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) / 1000;
  return {
    answers: sorted.length,
    perSecond: sorted.length / seconds,
    statuses: Object.fromEntries(statuses),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    nextOffset: next,
    generatorBusy: busy,
  };
}

/** Those of the runs before, unless a server has closed some. */
async function clientsOf(name, ports, connections) {
  const before = kept.get(name) ?? [];
  const fault = before.find((client) => client.fault)?.fault;
  if (fault) throw fault;
  if (before.length > 0 && before.every(({ isOpen }) => isOpen)) return { clients: before, areNew: false };
  closeConnections(name);
  const clients = Array.from({ length: connections }, (_, number) => new Client(ports[number % ports.length]));
  kept.set(name, clients);
  await Promise.all(clients.map(({ connected }) => connected));
  return { clients, areNew: true };
}

function closeConnections(name) {
  for (const client of kept.get(name) ?? []) client.end();
  kept.delete(name);
}

/** A few at a time: Node takes one new connection in each turn, and in turns full of work the last would wait for seconds. */
async function useEach(clients, take, noted) {
  const unused = [...clients];
  const use = async () => {
    for (let client = unused.pop(); client; client = unused.pop()) {
      noted(
        await new Promise((answered, failed) => {
          Object.assign(client, { answered, failed });
          client.send(take());
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: USED_AT_ONCE }, use));
}

const NOTHING = Buffer.alloc(0);

/** All connections read into it, one after the other: what is not yet a whole answer is copied. */
const shared = Buffer.alloc(64 * 1024);

/** One connection: a request, its answer, the next. */
class Client {
  answered = null;
  failed = null;
  isOpen = true;
  /** What went wrong while nothing was asked. */
  fault = null;
  #waits = false;
  #pending = null;
  /** Of the answer before. One that begins as that did, up to its content-length, is as long, and its head is not read again. */
  #length = 0;
  #beginning = NOTHING;
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
        if (this.#waits) this.failed(new Error('a connection was closed before its answer'));
      });
  }

  send(request) {
    if (!this.isOpen) return this.failed(new Error('a connection was closed before its request'));
    this.#waits = true;
    this.#sentAt = performance.now();
    this.#socket.write(request);
  }

  end() {
    this.#socket.destroy();
  }

  fail(message) {
    if (this.#waits) this.failed(new Error(message));
    else this.fault = new Error(message);
    this.#socket.destroy();
  }

  #read(bytes) {
    if (!this.#waits) return (this.fail('an answer to no request'), true);
    const answer = this.#pending === null ? bytes : Buffer.concat([this.#pending, bytes]);
    if (answer.length !== this.#length || this.#beginning.compare(answer, 0, this.#beginning.length) !== 0) {
      const total = lengthOf(answer);
      if (total === null || answer.length < total) {
        this.#pending = Buffer.from(answer);
        return true;
      }
      if (answer.length > total) return (this.fail('more than one answer to a request'), true);
      this.#length = total;
      this.#beginning = Buffer.from(answer.subarray(0, beginningOf(answer)));
    }
    this.#pending = null;
    this.#waits = false;
    this.answered(answer.latin1Slice(9, 12), performance.now() - this.#sentAt);
    return true;
  }
}

/** How far into an answer its head tells its length. */
function beginningOf(answer) {
  const at = answer.indexOf('ontent-length:');
  return at < 0 ? answer.length : answer.indexOf('\r\n', at);
}

/** The length of the whole answer, or null while its head is not whole. */
function lengthOf(answer) {
  const headEnd = answer.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const head = answer.latin1Slice(0, headEnd).toLowerCase();
  if (head.includes('transfer-encoding: chunked'))
    return answer.latin1Slice(answer.length - 5) === '0\r\n\r\n' ? answer.length : null;
  const from = head.indexOf('content-length:');
  if (from < 0) return headEnd + 4;
  return headEnd + 4 + parseInt(head.slice(from + 15, from + 27), 10);
}

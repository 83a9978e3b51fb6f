/** Starts the programs of the benchmark, and stops them by process id. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'undici';
import { SERVER_PROGRAM } from './built.mjs';

/** As `npm start`: a young generation in which a heartbeat that waits for its commit is not promoted. For the server and all baselines. */
const NODE_FLAGS = ['--max-semi-space-size=32'];

/** Before the clock of each window: CPU caches belong to another program, and all connections start at once. */
const LEAD_IN_SECONDS = 0.1;

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const running = [];

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  await new Promise((closed) => probe.close(closed));
  return port;
}

/** Resolves once the program has printed `ready`. */
async function startProgram(program, args, environment, ready) {
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let output = '';
  await new Promise((resolve, reject) => {
    const read = (text) => {
      output += text;
      if (output.includes(ready)) resolve();
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', read);
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}:\n${output}`)));
    child.once('error', reject);
  });
  return child;
}

/** With `isInspectable`, the server runs with an inspector for `memoryMiB`; no section compares such a server with a baseline. */
export async function startServer(fleet, dataDirectory, settings = {}, isInspectable = false) {
  const [port, inspectorPort] = [await freePort(), await freePort()];
  const environment = {
    ...fleet.environment,
    DATA_DIRECTORY: dataDirectory,
    HTTP_PORT: String(port),
    LOG_LEVEL: 'error',
    API_KEY_REQUESTS_PER_SECOND: '1000000',
    REGISTRATIONS_PER_SECOND: '1000000',
    ...settings,
  };
  const child = await startProgram(
    process.execPath,
    [...NODE_FLAGS, ...(isInspectable ? [`--inspect=127.0.0.1:${inspectorPort}`] : []), SERVER_PROGRAM],
    environment,
    'Stop it with Ctrl-C',
  );
  return { port, pid: child.pid, inspectorPort, stop: () => stop(child) };
}

export async function startBaseline(kind, fleet) {
  const port = await freePort();
  const child = await startProgram(
    process.execPath,
    [...NODE_FLAGS, here('baseline.mjs'), kind, String(port)],
    fleet.environment,
    'ready',
  );
  return { port, pid: child.pid, stop: () => stop(child) };
}

/** One node of etcd on loopback; null if it is not installed. */
export async function startEtcd(directory) {
  const [port, peerPort] = [await freePort(), await freePort()];
  const client = `http://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const args = [
    '--data-dir',
    directory,
    '--listen-client-urls',
    client,
    '--advertise-client-urls',
    client,
    '--listen-peer-urls',
    peer,
    '--initial-advertise-peer-urls',
    peer,
    '--initial-cluster',
    `default=${peer}`,
  ];
  try {
    const child = await startProgram(
      'etcd',
      args,
      { ETCD_UNSUPPORTED_ARCH: process.arch },
      'ready to serve client requests',
    );
    return { port, pid: child.pid, stop: () => stop(child) };
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Starts the load generator in its own process. */
export function startGenerator() {
  const child = fork(here('load.mjs'), { serialization: 'advanced' });
  const call = (message) =>
    new Promise((resolve, reject) => {
      child.once('message', (response) =>
        response.kind === 'failed' ? reject(new Error(response.message)) : resolve(response),
      );
      child.send(message);
    });
  const run = async (order, expected = ['200']) => ({ ...(await call({ kind: 'run', ...order })), expected });
  return {
    give: (set, requests) => call({ kind: 'requests', set, requests }),
    stop: () => stop(child),
    /** @throws Error if a response is missing. */
    run,
    /** A function that measures a window; each window continues with the requests after the previous one. */
    windowsOf(order, expected) {
      let offset = 0;
      return async (seconds) => {
        const window = await run({ leadInSeconds: LEAD_IN_SECONDS, offset, ...order, seconds }, expected);
        offset = window.nextOffset;
        return window;
      };
    },
  };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.removeAllListeners('exit');
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Stops all programs except the load generator. */
export async function stopAll() {
  await Promise.all(running.map(stop));
}

/** Used heap after a garbage collection, and resident memory (Linux), in MiB; resident memory depends on the heap's history. */
export async function memoryMiB({ pid, inspectorPort }) {
  const [{ webSocketDebuggerUrl }] = await (await fetch(`http://127.0.0.1:${inspectorPort}/json`)).json();
  const socket = new WebSocket(webSocketDebuggerUrl);
  await once(socket, 'open');
  let lastId = 0;
  const call = async (method) => {
    const id = (lastId += 1);
    socket.send(JSON.stringify({ id, method }));
    for (;;) {
      const [{ data }] = await once(socket, 'message');
      const response = JSON.parse(data);
      if (response.id === id) return response.result;
    }
  };
  await call('HeapProfiler.collectGarbage');
  const { usedSize, backingStorageSize = 0 } = await call('Runtime.getHeapUsage');
  socket.close();
  const [, kilobytes = 'NaN'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { heap: (usedSize + backingStorageSize) / 1024 / 1024, resident: Number(kilobytes) / 1024 };
}

/** Baselines for comparison, each in its own process: `baseline.mjs KIND PORT`. The environment names the database, as for the server. */
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import { createPool } from 'mysql2/promise';
import { DataSource, EntitySchema } from 'typeorm';

const [kind, port] = process.argv.slice(2);
const ROUTE = '/v1/process-servers/:hostId/heartbeats';
/** Longer than the windows of all other targets, because the load generator keeps its connections. */
const KEEP_ALIVE_MS = 60_000;

function addressFromEnvironment() {
  const url = new URL(process.env.DATABASE_URL);
  return {
    socketPath: url.searchParams.get('socket'),
    user: url.username,
    password: readFileSync(process.env.DATABASE_PASSWORD_FILE, 'utf8').trim(),
    database: url.pathname.slice(1),
  };
}

const BASELINES = {
  /** Node's HTTP server: parses JSON and sends it back. */
  'node:http echo': () =>
    createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        const text = JSON.stringify(JSON.parse(Buffer.concat(chunks).toString()));
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
        response.end(text);
      });
    }).listen(Number(port), '127.0.0.1'),
  'Fastify echo': () => fastify((request, reply) => reply.send(request.body)),
  /** Responds in the next turn of the event loop, like a handler that waits for a commit. */
  'Fastify echo, deferred': () => fastify((request, reply) => void setImmediate(() => reply.send(request.body))),
  /** The naive implementation: one UPDATE and one commit for each request, without authentication or validation. */
  'one UPDATE each': () => {
    const pool = createPool({ ...addressFromEnvironment(), connectionLimit: 10, timezone: 'Z' });
    return fastify(async (request) => {
      await pool.execute(
        'UPDATE process_server_lease SET last_heartbeat_at = ?, last_seen_available_ms = last_seen_available_ms + 1, expires_available_ms = expires_available_ms + 1 WHERE host_id = ? AND generation = ?',
        [new Date(), request.params.hostId, request.body.generation],
      );
      return request.body;
    });
  },
  'TypeORM save': async () => {
    const { user: username, ...address } = addressFromEnvironment();
    const Lease = new EntitySchema({
      name: 'Lease',
      tableName: 'process_server_lease',
      columns: {
        host_id: { type: 'char', length: 36, primary: true },
        last_heartbeat_at: { type: 'datetime', precision: 3 },
      },
    });
    const source = await new DataSource({
      type: 'mysql',
      ...address,
      username,
      poolSize: 10,
      timezone: 'Z',
      entities: [Lease],
    }).initialize();
    const leases = source.getRepository(Lease);
    return fastify(async (request) => {
      await leases.save({ host_id: request.params.hostId, last_heartbeat_at: new Date() });
      return request.body;
    });
  },
};

function fastify(handler) {
  const app = Fastify();
  app.post(ROUTE, handler);
  return app.listen({ port: Number(port), host: '127.0.0.1' });
}

await BASELINES[kind]();
console.log('ready');

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import request from 'supertest';
import { nameKey, type Randomness, type Role } from '@app/fleet';
import { DatabaseServers } from '@app/fleet-mysql';
import { newApiKey, newPassphrase, visiblePrefix, readSettings, sha256, UuidIdentifiers } from '@app/platform';
import { createApp } from '../../apps/configuration-server/src/create-app.js';
import type { CreatedEnrolment } from '@app/api-contract';
import type { AppOptions } from '../../apps/configuration-server/src/site/app-options.js';
import type { TogglableProxy } from './togglable-proxy.js';
import { createLogger } from '../../apps/configuration-server/src/startup/logger.js';
import { TestReplica } from './test-replica.js';
import { findOpenApiViolation } from './openapi-validator.js';
import { fixedFraction, ManualClock } from './manual-clock.js';
import { InMemoryPassphraseFile } from './in-memory-passphrase-file.js';
import { assertNoSecret } from './assert-no-secret.js';
import { TestDatabase } from './test-database.js';

export interface TestResponse<Body = Record<string, unknown>> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Record<string, string | string[] | number | undefined>;
}

/** The name columns of an API key. */
export const nameColumns = (name: string): object => ({ name, name_key: nameKey(name) });

/** The body of a typical registration. */
export const aRegistration = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  friendlyName: 'ps-berlin-1',
  ipAddress: '192.0.2.11',
  osType: 'Windows',
  osVersion: 'Server 2022',
  agentVersion: '9.63.7187.1',
  machineId: 'machine-1',
  environment: 'VMware',
  cpuCores: 8,
  memoryBytes: 17_179_869_184,
  cacheDiskBytes: 644_245_094_400,
  ...over,
});

/** The registration data that an agent knows. */
export interface KnownServer {
  readonly hostId: string;
  readonly generation: number;
  readonly credential: string;
}

interface CallParts {
  readonly body?: unknown;
  readonly authorization?: string;
  readonly headers?: Record<string, string>;
  readonly address?: string;
  readonly replica?: number;
}

interface ClusterOptions {
  /** Settings by name, in addition to the defaults of tests. */
  readonly settings?: Record<string, string>;
  readonly replicas?: number;
  readonly randomness?: Randomness;
}

const REPORT_SECONDS = 90;
/** Default source address of requests. */
export const LOOPBACK = '127.0.0.1';
const METHODS = { GET: 'get', PUT: 'put', POST: 'post', DELETE: 'delete', HEAD: 'head' } as const;
/** With a manual clock, a whole test runs within one second and would exceed the rate limits. */
const WITHOUT_RATE_LIMITS = {
  REGISTRATIONS_PER_SECOND: '1000000',
  REGISTRATIONS_PER_SERVER_PER_HOUR: '1000000',
  API_KEY_REQUESTS_PER_SECOND: '1000000',
  ANONYMOUS_REQUESTS_PER_SECOND: '1000000',
};
const PASSPHRASE = newPassphrase();
export const ADMIN_KEY = newApiKey();

/** A site for tests: a schema, a manual clock, and replicas whose jobs run only when a test runs them. */
export class TestCluster {
  readonly log: string[] = [];
  private readonly onClose: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly clock: ManualClock,
    readonly replicas: TestReplica[],
    readonly passphraseFile: InMemoryPassphraseFile,
    private readonly makeReplica: (name: string, log: string[], over?: Partial<AppOptions>) => Promise<TestReplica>,
  ) {}

  static async open({
    settings = {},
    replicas = 1,
    randomness = fixedFraction(0),
  }: ClusterOptions = {}): Promise<TestCluster> {
    const database = await TestDatabase.make();
    const clock = new ManualClock();
    const passphraseFile = new InMemoryPassphraseFile();
    const environment = {
      CONFIGURATION_SERVER_VERSION: '9.63.7187.1',
      LOG_LEVEL: 'info',
      ...WITHOUT_RATE_LIMITS,
      ...settings,
    };
    const defaultSettings = readSettings({ environment, insecure: false, packageVersion: '0.0.0' });
    let made = 0;
    const makeReplica = async (
      name: string,
      log: string[],
      { settings: ofReplica = defaultSettings, ...over }: Partial<AppOptions> = {},
    ): Promise<TestReplica> => {
      const app = await createApp(ofReplica, {
        name,
        servers: new DatabaseServers(database.addressOf(made++)),
        clock,
        randomness,
        identifiers: new UuidIdentifiers(),
        passphraseFile,
        runsJobs: false,
        readinessTtlMs: 0, // tests change the conditions of readiness between two requests
        logger: createLogger(
          'info',
          new Writable({ write: (chunk, _encoding, done) => (log.push(String(chunk)), done()) }),
        ),
        ...over,
      });
      await app.listen(0, '127.0.0.1').catch(async (error: unknown) => {
        await app.close();
        throw error;
      });
      return new TestReplica(app);
    };
    const cluster = new TestCluster(database, clock, [], passphraseFile, makeReplica);
    for (let number = 0; number < replicas; number += 1) await cluster.addReplica();
    await cluster.replicas[0]?.secrets.createInitialSecrets(sha256(PASSPHRASE), {
      hash: sha256(ADMIN_KEY),
      prefix: visiblePrefix(ADMIN_KEY),
    });
    return cluster;
  }

  /** Adds a listening replica. Returns its number. */
  async addReplica(): Promise<number> {
    return this.replicas.push(await this.makeReplica(`replica-${this.replicas.length}`, this.log)) - 1;
  }

  /** Adds a replica with other options. Returns its number. */
  async addReplicaWith(over: Partial<AppOptions>): Promise<number> {
    return this.replicas.push(await this.makeReplica(`replica-${this.replicas.length}`, this.log, over)) - 1;
  }

  /** Adds a replica that reaches the database through the proxy. Returns its number. */
  async addReplicaBehind(proxy: TogglableProxy): Promise<number> {
    const { user, password, database } = this.database.address;
    this.onClose.push(() => proxy.close());
    return this.addReplicaWith({ servers: new DatabaseServers({ ...proxy.address, user, password, database }) });
  }

  /** Replaces a replica by a new one. */
  async restartReplica(number: number): Promise<void> {
    await this.replicas[number]?.stop();
    this.replicas[number] = await this.makeReplica(`replica-${number}`, this.log);
  }

  replica(number = 0): TestReplica {
    const replica = this.replicas[number];
    if (!replica) throw new Error(`there is no replica ${number}`);
    return replica;
  }

  /** Every replica records its availability. */
  async recordAvailability(): Promise<void> {
    for (const replica of this.replicas) await replica.availabilityClock.tick();
  }

  /** Advances time while the service is available. */
  /** Advances time while the process server reports, twice in each lease, the first time now. */
  async report(server: KnownServer, body: Record<string, unknown>, seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= REPORT_SECONDS) {
      const { status } = await this.heartbeat(server, body);
      if (status !== 200) throw new Error(`the heartbeat got ${status}`);
      await this.advance(Math.min(left, REPORT_SECONDS));
    }
  }

  async advance(seconds: number): Promise<void> {
    await this.recordAvailability();
    this.clock.advanceSeconds(seconds);
    await this.database.recordAvailable(seconds, this.clock.now());
    await this.recordAvailability();
  }

  /** Advances time while no replica is available. */
  async simulateOutage(seconds: number): Promise<void> {
    this.clock.advanceSeconds(seconds);
    await this.recordAvailability();
  }

  async close(): Promise<void> {
    for (const replica of this.replicas) await replica.stop();
    for (const close of this.onClose) await close();
    await this.database.drop();
    assertNoSecret(this.log.join(''));
  }

  /** Sends a request and checks the response against openapi.json. `address` is the local source address. */
  async call<Body = Record<string, unknown>>(
    method: keyof typeof METHODS,
    url: string,
    { body, authorization, headers = {}, address, replica = 0 }: CallParts = {},
  ): Promise<TestResponse<Body>> {
    const call = request(await this.urlOf(replica))
      [METHODS[method]](url)
      .set(url.endsWith('/heartbeats') ? { connection: 'keep-alive', ...headers } : headers) // the fast path serves no others
      .ok(() => true);
    if (address && address !== LOOPBACK) call.agent(new Agent({ localAddress: address }));
    if (authorization) call.set('authorization', authorization);
    if (body !== undefined && !headers['content-type']) call.set('content-type', 'application/json');
    if (body !== undefined)
      call
        .serialize(
          (given: unknown) =>
            (typeof given === 'string' || Buffer.isBuffer(given) ? given : JSON.stringify(given)) as string,
        )
        .send(body as object);
    const response = await call;
    const violation = findOpenApiViolation({
      method,
      target: url,
      status: response.status,
      contentType: String(response.headers['content-type'] ?? ''),
      text: response.text ?? '',
    });
    if (violation) throw new Error(`differs from openapi.json: ${violation}`);
    const isJson = /[/+]json/.test(response.type);
    return {
      status: response.status,
      body: (isJson ? JSON.parse(response.text || 'null') : { text: response.text }) as Body,
      headers: response.headers,
    };
  }

  /** Sends raw bytes. Returns all data until the connection ends. */
  async raw(
    bytes: string | Buffer,
    { hangUp = false, replica = 0 }: { hangUp?: boolean; replica?: number } = {},
  ): Promise<string> {
    const { hostname, port } = new URL(await this.urlOf(replica));
    return new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('error', () => undefined); // the server may reset the connection after its response
      socket.on('close', () => resolve(text));
      socket.write(bytes, () => hangUp && socket.end());
    });
  }

  /** Sends bytes on a new connection and resets it. */
  async reset(bytes: string, when: 'before the answer' | 'after the answer' | 'after more'): Promise<void> {
    const { hostname, port } = new URL(await this.urlOf(0));
    const socket = connect(Number(port), hostname);
    const reset = (): unknown => socket.resetAndDestroy();
    socket.write(bytes, () => when === 'before the answer' && reset());
    socket.once('data', () => (when === 'after more' ? socket.write('more', reset) : reset()));
    await once(socket, 'close');
  }

  /** Row counts and checksums of every table: equal as long as nothing was written. */
  async fingerprint(): Promise<string> {
    const tables = (await this.database.rows<Record<string, string>>('SHOW TABLES'))
      .flatMap((row) => Object.values(row))
      .sort();
    const checksums = await this.database.rows('CHECKSUM TABLE ??', [tables]);
    const counts = tables.map(() => '(SELECT COUNT(*) FROM ??)').join(', ');
    return JSON.stringify([checksums, await this.database.rows(`SELECT CONCAT_WS(' ', ${counts})`, tables)]);
  }

  /** A timestamp this many seconds from now. */
  after(seconds: number): string {
    return new Date(this.clock.now().getTime() + seconds * 1000).toISOString();
  }

  /** Creates an enrolment for one registration. */
  async createEnrolment(over: object = {}, replica = 0): Promise<CreatedEnrolment> {
    const body = { note: 'a test', ...over };
    const created = await this.call<CreatedEnrolment>('POST', '/v1/enrolments', {
      body,
      authorization: this.admin,
      replica,
    });
    if (created.status !== 201) throw new Error(`no enrolment: ${created.status} ${JSON.stringify(created.body)}`);
    return created.body;
  }

  /** Creates an API key with a role. Returns the authorization header. */
  async createKey(role: Role): Promise<string> {
    const key = newApiKey();
    await this.database.write('INSERT INTO api_key SET ?', [
      {
        id: randomUUID(),
        ...nameColumns(`${role}-${randomUUID()}`),
        hash: sha256(key),
        role,
        created_at: this.clock.now(),
      },
    ]);
    return `Bearer ${key}`;
  }

  /** Log lines at level error or above. */
  get errorLines(): string[] {
    return this.log.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
  }

  private async urlOf(replica: number): Promise<string> {
    return this.replica(replica).http.getUrl();
  }

  readonly passphrase = `Passphrase ${PASSPHRASE}`;
  readonly admin = `Bearer ${ADMIN_KEY}`;

  register<Body = RegistrationBody>(
    hostId: string,
    over: Record<string, unknown> = {},
    replica = 0,
    authorization = this.passphrase,
    address = LOOPBACK,
  ): Promise<TestResponse<Body>> {
    return this.call<Body>('PUT', `/v1/process-servers/${hostId}`, {
      body: aRegistration(over),
      authorization,
      replica,
      address,
    });
  }

  /** Registers a process server. @throws Error when the registration is rejected. */
  async registered(
    over: Record<string, unknown> = {},
    hostId: string = randomUUID(),
    replica = 0,
    authorization = this.passphrase,
  ): Promise<KnownServer> {
    const { status, body } = await this.register(hostId, over, replica, authorization);
    if (status !== 200 && status !== 201) throw new Error(`registration failed: ${status} ${JSON.stringify(body)}`);
    return { hostId, generation: body.generation, credential: body.credential };
  }

  heartbeat<Body = ProblemBody & HeartbeatBody>(
    { hostId, generation, credential }: KnownServer,
    over: Record<string, unknown> = {},
    replica = 0,
    address = LOOPBACK,
  ): Promise<TestResponse<Body>> {
    return this.call<Body>('POST', `/v1/process-servers/${hostId}/heartbeats`, {
      body: { generation, agentVersion: '9.63.7187.1', ...over },
      authorization: `Bearer ${credential}`,
      replica,
      address,
    });
  }

  unregister<Body = ProblemBody & { state: string; removeBy: string }>(
    { hostId, credential }: KnownServer,
    query = '',
    replica = 0,
  ): Promise<TestResponse<Body>> {
    return this.call<Body>('DELETE', `/v1/process-servers/${hostId}${query}`, {
      authorization: `Bearer ${credential}`,
      replica,
    });
  }

  purge<Body = ProblemBody & { purgedAt: string }>(
    hostId: string,
    body: Record<string, unknown>,
    replica = 0,
  ): Promise<TestResponse<Body>> {
    return this.call<Body>('POST', `/v1/process-servers/${hostId}/purge`, {
      body: { reason: 'test', ...body },
      authorization: this.admin,
      replica,
    });
  }

  read<Body = Record<string, unknown>>(url: string, replica = 0): Promise<TestResponse<Body>> {
    return this.call<Body>('GET', url, { authorization: this.admin, replica });
  }

  /** The kinds of a host's events, oldest first. */
  async eventKinds(hostId: string): Promise<string[]> {
    const rows = await this.database.rows<{ kind: string }>(
      'SELECT kind FROM event WHERE host_id = ? ORDER BY at, id',
      [hostId],
    );
    return rows.map(({ kind }) => kind);
  }
}

export interface RegistrationBody {
  readonly generation: number;
  readonly credential: string;
  readonly heartbeatIntervalSeconds: number;
  readonly leaseSeconds: number;
  readonly versionStatus: string;
  readonly sizingClass: string;
  readonly warnings: readonly { readonly code: string }[];
  readonly code?: string;
}

export interface HeartbeatBody {
  readonly leaseExpiresAt: string;
  readonly heartbeatIntervalSeconds: number;
  readonly versionStatus: string;
}

export interface ProblemBody {
  readonly code: string;
  readonly detail: string;
  readonly instruction: string;
  readonly errors: readonly { readonly field: string; readonly message: string }[];
}

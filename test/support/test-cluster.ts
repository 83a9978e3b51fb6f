import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import request from 'supertest';
import { nameKey, type Randomness, type Role } from '@app/fleet';
import { DatabaseServers } from '@app/fleet-mysql';
import { newApiKey, newPassphrase, visiblePrefix, readSettings, sha256, UuidIdentifiers } from '@app/platform';
import { ServerInstance, type ServerInstanceOptions } from '../../apps/configuration-server/src/server-instance.js';
import type { TogglableProxy } from './togglable-proxy.js';
import { createLogger } from '../../apps/configuration-server/src/startup/logger.js';
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

/** The columns of an API key's name. */
export const nameColumns = (name: string): object => ({ name, name_key: nameKey(name) });

/** What a process server would register with. */
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

/** A process server as its own agent knows it. */
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
  /** Settings by name, beside those that make a test quiet. */
  readonly settings?: Record<string, string>;
  readonly replicas?: number;
  readonly randomness?: Randomness;
}

/** Where calls come from unless a test says otherwise. */
export const LOOPBACK = '127.0.0.1';
const METHODS = { GET: 'get', PUT: 'put', POST: 'post', DELETE: 'delete', HEAD: 'head' } as const;
/** A clock that is moved by hand stands in one second for a whole test. */
const WITHOUT_RATE_LIMITS = {
  REGISTRATIONS_PER_SECOND: '1000000',
  REGISTRATIONS_PER_SERVER_PER_HOUR: '1000000',
  API_KEY_REQUESTS_PER_SECOND: '1000000',
  ANONYMOUS_REQUESTS_PER_SECOND: '1000000',
};
const PASSPHRASE = newPassphrase();
export const ADMIN_KEY = newApiKey();

/** A site for tests: a schema of its own, a clock moved by hand, and replicas on both whose jobs run only when they are told. */
export class TestCluster {
  readonly log: string[] = [];
  private readonly onClose: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly database: TestDatabase,
    readonly clock: ManualClock,
    readonly replicas: ServerInstance[],
    readonly passphraseFile: InMemoryPassphraseFile,
    private readonly makeReplica: (
      name: string,
      log: string[],
      over?: Partial<ServerInstanceOptions>,
    ) => Promise<ServerInstance>,
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
    let made = 0;
    const makeReplica = async (
      name: string,
      log: string[],
      over: Partial<ServerInstanceOptions> = {},
    ): Promise<ServerInstance> => {
      const replica = await ServerInstance.create({
        name,
        settings: readSettings({ environment, insecure: false, packageVersion: '0.0.0' }),
        servers: new DatabaseServers(database.addressOf(made++)),
        clock,
        randomness,
        identifiers: new UuidIdentifiers(),
        passphraseFile,
        readinessTtlMs: 0, // a test changes what readiness depends on between two calls
        logger: createLogger(
          'info',
          new Writable({ write: (chunk, _encoding, done) => (log.push(String(chunk)), done()) }),
        ),
        ...over,
      });
      await replica.availabilityClock.tick();
      await replica.http.listen(0, '127.0.0.1');
      return replica;
    };
    const cluster = new TestCluster(database, clock, [], passphraseFile, makeReplica);
    for (let number = 0; number < replicas; number += 1) await cluster.addReplica();
    await cluster.replicas[0]?.secrets.createInitialSecrets(sha256(PASSPHRASE), {
      hash: sha256(ADMIN_KEY),
      prefix: visiblePrefix(ADMIN_KEY),
    });
    return cluster;
  }

  /** One more replica, which listens. Returns its number. */
  async addReplica(): Promise<number> {
    return this.replicas.push(await this.makeReplica(`replica-${this.replicas.length}`, this.log)) - 1;
  }

  /** One more replica, made of other parts here and there. Returns its number. */
  async addReplicaWith(over: Partial<ServerInstanceOptions>): Promise<number> {
    return this.replicas.push(await this.makeReplica(`replica-${this.replicas.length}`, this.log, over)) - 1;
  }

  /** One more replica, whose way to the database leads through a gate. Returns its number. */
  async addReplicaBehind(proxy: TogglableProxy): Promise<number> {
    const { user, password, database } = this.database.address;
    this.onClose.push(() => proxy.close());
    return this.addReplicaWith({ servers: new DatabaseServers({ ...proxy.address, user, password, database }) });
  }

  /** Stops a replica and puts a new one in its place. */
  async restartReplica(number: number): Promise<void> {
    await this.replicas[number]?.stop();
    this.replicas[number] = await this.makeReplica(`replica-${number}`, this.log);
  }

  replica(number = 0): ServerInstance {
    const replica = this.replicas[number];
    if (!replica) throw new Error(`there is no replica ${number}`);
    return replica;
  }

  /** Every replica says that it listens. */
  async recordAvailability(): Promise<void> {
    for (const replica of this.replicas) await replica.availabilityClock.tick();
  }

  /** Time passes while the replicas listen. */
  async advance(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 5) {
      this.clock.advanceSeconds(Math.min(5, left));
      await this.recordAvailability();
    }
  }

  /** Time passes while nobody listens. */
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

  /** Any call, whose answer must be what the document promises; `authorization` as in the header, `address` that of this machine from which it comes. */
  async call<Body = Record<string, unknown>>(
    method: keyof typeof METHODS,
    url: string,
    { body, authorization, headers = {}, address, replica = 0 }: CallParts = {},
  ): Promise<TestResponse<Body>> {
    const call = request(await this.urlOf(replica))
      [METHODS[method]](url)
      .set(headers)
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
    if (violation) throw new Error(`not by openapi.json: ${violation}`);
    const isJson = /[/+]json/.test(response.type);
    return {
      status: response.status,
      body: (isJson ? JSON.parse(response.text || 'null') : { text: response.text }) as Body,
      headers: response.headers,
    };
  }

  /** Bytes as they are, and everything that comes back until the connection ends. */
  async raw(
    bytes: string | Buffer,
    { hangUp = false, replica = 0 }: { hangUp?: boolean; replica?: number } = {},
  ): Promise<string> {
    const { hostname, port } = new URL(await this.urlOf(replica));
    return new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (chunk) => (text += String(chunk)));
      socket.on('error', () => undefined); // the server may reset a connection that it has answered
      socket.on('close', () => resolve(text));
      socket.write(bytes, () => hangUp && socket.end());
    });
  }

  /** Writes bytes to a connection of their own, and resets it. */
  async reset(bytes: string, when: 'before the answer' | 'after the answer' | 'after more'): Promise<void> {
    const { hostname, port } = new URL(await this.urlOf(0));
    const socket = connect(Number(port), hostname);
    const reset = (): unknown => socket.resetAndDestroy();
    socket.write(bytes, () => when === 'before the answer' && reset());
    socket.once('data', () => (when === 'after more' ? socket.write('more', reset) : reset()));
    await once(socket, 'close');
  }

  /** Row counts and checksums of every table: the same as long as nothing was written. */
  async fingerprint(): Promise<string> {
    const tables = (await this.database.rows<Record<string, string>>('SHOW TABLES'))
      .flatMap((row) => Object.values(row))
      .sort();
    const checksums = await this.database.rows('CHECKSUM TABLE ??', [tables]);
    const counts: number[] = [];
    for (const table of tables) counts.push(await this.database.count(table));
    return JSON.stringify([tables, counts, checksums]);
  }

  /** Makes an API key of a role; returns the header for it. */
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

  /** Lines of the log at level error or above. */
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

  /** Registers and fails loudly when that is refused. */
  async registered(
    over: Record<string, unknown> = {},
    hostId: string = randomUUID(),
    replica = 0,
    authorization = this.passphrase,
  ): Promise<KnownServer> {
    const { status, body } = await this.register(hostId, over, replica, authorization);
    if (status !== 200 && status !== 201) throw new Error(`not registered: ${status} ${JSON.stringify(body)}`);
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

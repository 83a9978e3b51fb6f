import type { Dispatcher } from 'undici';
import type {
  DecommissionResponse,
  FleetResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  PreflightResponse,
  ReadyResponse,
  RegisterRequest,
  RegistrationResponse,
} from '@app/api-contract';
import { parseResponse } from './api-errors.js';

export interface ClientOptions {
  /** Base URL of the configuration server, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Maximum of open connections; further calls queue. Default 64. */
  readonly connections?: number;
  /** Response timeout in milliseconds. Default 30 s. */
  readonly timeoutMs?: number;
  /** The connections, e.g. through a proxy; they have limits and timeouts of their own. Default: a pool of `connections`. */
  readonly dispatcher?: Dispatcher;
}

/** What authorises a registration: the passphrase of the site, or the token of an enrolment. */
export interface RegistrationSecret {
  readonly kind: 'passphrase' | 'enrolment';
  readonly value: string;
}

/**
 * Typed client of the API for process servers; people and the portal use OperatorClient.
 * Every call throws ApiProblemError, UnexpectedResponseError, or the error of the connection.
 */
export class ConfigurationServerClient {
  private dispatcher: Promise<Dispatcher> | null = null;

  constructor(private readonly options: ClientOptions) {}

  register(hostId: string, secret: RegistrationSecret, body: RegisterRequest): Promise<RegistrationResponse> {
    return this.call('PUT', `/v1/process-servers/${hostId}`, authorizationOf(secret), body);
  }

  /** Checks a registration without writing anything. */
  preflight(hostId: string, secret: RegistrationSecret, body: RegisterRequest): Promise<PreflightResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/preflight`, authorizationOf(secret), body);
  }

  heartbeat(hostId: string, credential: string, body: HeartbeatRequest): Promise<HeartbeatResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, body);
  }

  /** Called by the process server itself. A reason forces the removal although machines are protected through it. */
  unregister(hostId: string, credential: string, forceReason: string | null = null): Promise<DecommissionResponse> {
    const query = forceReason === null ? '' : `?force=true&reason=${encodeURIComponent(forceReason)}`;
    return this.call('DELETE', `/v1/process-servers/${hostId}${query}`, `Bearer ${credential}`);
  }

  fleet(apiKey: string): Promise<FleetResponse> {
    return this.call('GET', '/v1/fleet', `Bearer ${apiKey}`);
  }

  /** Whether the replica can commit heartbeats, and which checks fail. */
  ready(): Promise<ReadyResponse> {
    return this.call('GET', '/health/ready', null);
  }

  async close(): Promise<void> {
    await (await this.dispatcher)?.close();
  }

  /** Loads undici with the first call, because a program that only prints its help must start without it. */
  private async open(): Promise<Dispatcher> {
    const { url, connections = 64, timeoutMs = 30_000, dispatcher } = this.options;
    if (dispatcher) return dispatcher;
    const { Pool } = await import('undici');
    return new Pool(url, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

  private async call<Result>(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    authorization: string | null,
    body?: object,
  ): Promise<Result> {
    this.dispatcher ??= this.open();
    const dispatcher = await this.dispatcher;
    const {
      statusCode,
      headers,
      body: response,
    } = await dispatcher.request({
      origin: this.options.url,
      method,
      path,
      headers: { ...(authorization && { authorization }), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const facts = {
      status: statusCode,
      contentType: String(headers['content-type'] ?? ''),
      retryAfter: headers['retry-after']?.toString(),
    };
    return parseResponse<Result>(facts, await response.text());
  }
}

const authorizationOf = ({ kind, value }: RegistrationSecret): string =>
  `${kind === 'passphrase' ? 'Passphrase' : 'Enrolment'} ${value}`;

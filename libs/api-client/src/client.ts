import type { Pool } from 'undici';
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
}

/**
 * Typed client of the API for process servers; people and the portal use OperatorClient.
 * Every call throws ApiProblemError, UnexpectedResponseError, or the error of the connection.
 */
export class ConfigurationServerClient {
  private pool: Promise<Pool> | null = null;

  constructor(private readonly options: ClientOptions) {}

  register(hostId: string, passphrase: string, body: RegisterRequest): Promise<RegistrationResponse> {
    return this.call('PUT', `/v1/process-servers/${hostId}`, `Passphrase ${passphrase}`, body);
  }

  /** Checks a registration without writing anything. */
  preflight(hostId: string, passphrase: string, body: RegisterRequest): Promise<PreflightResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/preflight`, `Passphrase ${passphrase}`, body);
  }

  heartbeat(hostId: string, credential: string, body: HeartbeatRequest): Promise<HeartbeatResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, body);
  }

  /** Called by the process server itself. */
  unregister(hostId: string, credential: string): Promise<DecommissionResponse> {
    return this.call('DELETE', `/v1/process-servers/${hostId}`, `Bearer ${credential}`);
  }

  fleet(apiKey: string): Promise<FleetResponse> {
    return this.call('GET', '/v1/fleet', `Bearer ${apiKey}`);
  }

  /** Whether the replica can commit heartbeats, and which checks fail. */
  ready(): Promise<ReadyResponse> {
    return this.call('GET', '/health/ready', null);
  }

  async close(): Promise<void> {
    await (await this.pool)?.close();
  }

  /** Loads undici with the first call, because a program that only prints its help must start without it. */
  private async open(): Promise<Pool> {
    const { url, connections = 64, timeoutMs = 30_000 } = this.options;
    const { Pool } = await import('undici');
    return new Pool(url, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

  private async call<Result>(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    authorization: string | null,
    body?: object,
  ): Promise<Result> {
    this.pool ??= this.open();
    const pool = await this.pool;
    const {
      statusCode,
      headers,
      body: response,
    } = await pool.request({
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

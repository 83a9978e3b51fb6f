import { Pool } from 'undici';
import type { DecommissionResponse } from './decommission.dto.js';
import type { FleetResponse, ReadyResponse } from './fleet.dto.js';
import type { HeartbeatRequest, HeartbeatResponse } from './heartbeat.dto.js';
import type { ProblemResponse } from './problem.dto.js';
import type { PreflightResponse, RegisterRequest, RegistrationResponse } from './registration.dto.js';

export interface ClientOptions {
  /** Base URL of the configuration server, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Maximum of open connections; further calls queue. Default 64. */
  readonly connections?: number;
  /** Response timeout in milliseconds. Default 30 s. */
  readonly timeoutMs?: number;
}

/** The configuration server rejected the call; the problem has the reason and, for a process server, the instruction. */
export class ApiProblemError extends Error {
  constructor(
    readonly problem: ProblemResponse,
    /** Null if a retry cannot succeed. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** The response is incomplete, or does not come from a configuration server. */
export class UnexpectedResponseError extends Error {
  constructor(readonly status: number) {
    super(`response with status ${status} does not conform to the API`);
  }
}

/**
 * Typed client of the API for process servers and for the portal.
 * Every call throws ApiProblemError, UnexpectedResponseError, or the error of the connection.
 */
export class ConfigurationServerClient {
  private readonly pool: Pool;

  constructor({ url, connections = 64, timeoutMs = 30_000 }: ClientOptions) {
    this.pool = new Pool(url, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

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
    await this.pool.close();
  }

  private async call<Result>(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    path: string,
    authorization: string | null,
    body?: object,
  ): Promise<Result> {
    const {
      statusCode,
      headers,
      body: response,
    } = await this.pool.request({
      method,
      path,
      headers: { ...(authorization && { authorization }), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isProblem = String(headers['content-type'] ?? '').startsWith('application/problem+json');
    if (isProblem)
      throw new ApiProblemError(
        JSON.parse(text) as ProblemResponse,
        Number(headers['retry-after'] ?? Number.NaN) || null,
      );
    if (statusCode < 200 || statusCode > 299 || !text.startsWith('{')) throw new UnexpectedResponseError(statusCode);
    return JSON.parse(text) as Result;
  }
}

import { Pool } from 'undici';
import type { DecommissionResponse } from './decommission.dto.js';
import type { FleetResponse, ReadyResponse } from './fleet.dto.js';
import type { HeartbeatRequest, HeartbeatResponse } from './heartbeat.dto.js';
import type { ProblemResponse } from './problem.dto.js';
import type { PreflightResponse, RegisterRequest, RegistrationResponse } from './registration.dto.js';

export interface ClientOptions {
  /** Where the configuration server listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Connections that it keeps at most; further calls wait for one. 64 unless told. */
  readonly connections?: number;
  /** How long an answer may take, in milliseconds. 30 s unless told. */
  readonly timeoutMs?: number;
}

/** The configuration server refused; the problem says why, and a process server what to do. */
export class ApiProblemError extends Error {
  constructor(
    readonly problem: ProblemResponse,
    /** Null where trying again is no use. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** Something answered that is no configuration server, or no whole one. */
export class UnexpectedResponseError extends Error {
  constructor(readonly status: number) {
    super(`an answer with status ${status} that is not by the contract`);
  }
}

/**
 * The contract, as a process server and a portal call it.
 * Every call throws Refused, UnexpectedResponseError, or what the connection failed with.
 */
export class ConfigurationServerClient {
  private readonly pool: Pool;

  constructor({ url, connections = 64, timeoutMs = 30_000 }: ClientOptions) {
    this.pool = new Pool(url, { connections, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  }

  register(hostId: string, passphrase: string, body: RegisterRequest): Promise<RegistrationResponse> {
    return this.call('PUT', `/v1/process-servers/${hostId}`, `Passphrase ${passphrase}`, body);
  }

  /** What would come of a registration; nothing is written. */
  preflight(hostId: string, passphrase: string, body: RegisterRequest): Promise<PreflightResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/preflight`, `Passphrase ${passphrase}`, body);
  }

  heartbeat(hostId: string, credential: string, body: HeartbeatRequest): Promise<HeartbeatResponse> {
    return this.call('POST', `/v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, body);
  }

  /** By the process server itself. */
  unregister(hostId: string, credential: string): Promise<DecommissionResponse> {
    return this.call('DELETE', `/v1/process-servers/${hostId}`, `Bearer ${credential}`);
  }

  fleet(apiKey: string): Promise<FleetResponse> {
    return this.call('GET', '/v1/fleet', `Bearer ${apiKey}`);
  }

  /** Whether that replica can commit heartbeats, and what is amiss besides. */
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

import type {
  ApiKeyDto,
  ApiKeyList,
  ApiKeyRequest,
  ApplyPurgeRequest,
  ApplyPurgeResponse,
  CapacityQueryParameters,
  CapacityResponse,
  ConfigurationServerResponse,
  CreatedApiKey,
  CreatedEnrolment,
  DecommissionQuery,
  DecommissionResponse,
  DiagnosisResponse,
  EnrolmentDto,
  EnrolmentInfo,
  EnrolmentInfoQuery,
  EnrolmentList,
  EnrolmentRequest,
  EventList,
  ExportEventsQuery,
  FleetResponse,
  ListEventsQuery,
  ListProcessServersQuery,
  ListReleasesQuery,
  ListTimelineQuery,
  PageQuery,
  PassphraseList,
  PassphraseRotation,
  ProcessServerDetail,
  ProcessServerList,
  PurgePlanRequest,
  PurgePlanResponse,
  PurgeRequest,
  PurgeResponse,
  ReleaseList,
  RevokeCredentialRequest,
  RevokeCredentialResponse,
  RotatePassphraseRequest,
  UpgradeReadinessParameters,
  UpgradeReadinessResponse,
} from '@app/api-contract';
import { HttpTransport, type TransportOptions } from './http-transport.js';

export interface OperatorClientOptions extends TransportOptions {
  readonly apiKey: string;
}

/** The part of the audit log that an export returned. */
export interface EventExport {
  /** JSON lines. */
  readonly lines: AsyncIterable<Uint8Array>;
  /** The `from` of the next export, RFC 3339. */
  readonly exportedUntil: string | null;
}

/**
 * Typed client of the API for people and for the portal. A role limits which calls a key may make.
 * Every call throws ApiProblemError, UnexpectedResponseError, or the error of the connection.
 */
export class OperatorClient {
  private readonly transport: HttpTransport;
  private readonly authorization: string;

  constructor({ apiKey, ...options }: OperatorClientOptions) {
    this.transport = new HttpTransport(options);
    this.authorization = `Bearer ${apiKey}`;
  }

  processServers(query: ListProcessServersQuery = {}): Promise<ProcessServerList> {
    return this.get('/v1/process-servers', query);
  }

  processServer(hostId: string): Promise<ProcessServerDetail> {
    return this.get(`/v1/process-servers/${segment(hostId)}`);
  }

  diagnosis(hostId: string): Promise<DiagnosisResponse> {
    return this.get(`/v1/process-servers/${segment(hostId)}/diagnosis`);
  }

  timeline(hostId: string, query: ListTimelineQuery = {}): Promise<EventList> {
    return this.get(`/v1/process-servers/${segment(hostId)}/events`, query);
  }

  events(query: ListEventsQuery = {}): Promise<EventList> {
    return this.get('/v1/events', query);
  }

  async exportEvents(query: ExportEventsQuery = {}): Promise<EventExport> {
    const path = withQuery('/v1/events/export', query);
    const response = await this.transport.open({ method: 'GET', path, authorization: this.authorization });
    return { lines: response, exportedUntil: response.headers['x-exported-until']?.toString() ?? null };
  }

  fleet(): Promise<FleetResponse> {
    return this.get('/v1/fleet');
  }

  capacity(query: CapacityQueryParameters = {}): Promise<CapacityResponse> {
    return this.get('/v1/fleet/capacity', query);
  }

  releases(query: ListReleasesQuery = {}): Promise<ReleaseList> {
    return this.get('/v1/releases', query);
  }

  upgradeReadiness(query: UpgradeReadinessParameters = {}): Promise<UpgradeReadinessResponse> {
    return this.get('/v1/fleet/upgrade-readiness', query);
  }

  configurationServer(): Promise<ConfigurationServerResponse> {
    return this.get('/v1/configuration-server');
  }

  decommission(hostId: string, query: DecommissionQuery): Promise<DecommissionResponse> {
    return this.send('DELETE', withQuery(`/v1/process-servers/${segment(hostId)}`, query));
  }

  purge(hostId: string, body: PurgeRequest): Promise<PurgeResponse> {
    return this.send('POST', `/v1/process-servers/${segment(hostId)}/purge`, body);
  }

  revokeCredential(hostId: string, body: RevokeCredentialRequest): Promise<RevokeCredentialResponse> {
    return this.send('POST', `/v1/process-servers/${segment(hostId)}/revoke-credential`, body);
  }

  planPurge(filter: PurgePlanRequest): Promise<PurgePlanResponse> {
    return this.send('POST', '/v1/purges', filter);
  }

  applyPurge(planId: string, body: ApplyPurgeRequest): Promise<ApplyPurgeResponse> {
    return this.send('POST', `/v1/purges/${segment(planId)}/apply`, body);
  }

  apiKeys(query: PageQuery = {}): Promise<ApiKeyList> {
    return this.get('/v1/api-keys', query);
  }

  createApiKey(body: ApiKeyRequest): Promise<CreatedApiKey> {
    return this.send('POST', '/v1/api-keys', body);
  }

  revokeApiKey(keyId: string): Promise<ApiKeyDto> {
    return this.send('DELETE', `/v1/api-keys/${segment(keyId)}`);
  }

  passphrases(query: PageQuery = {}): Promise<PassphraseList> {
    return this.get('/v1/passphrases', query);
  }

  rotatePassphrase(body: RotatePassphraseRequest): Promise<PassphraseRotation> {
    return this.send('POST', '/v1/passphrases', body);
  }

  /** Everything that is needed to add a process server, except a secret. */
  enrolmentInfo(query: EnrolmentInfoQuery): Promise<EnrolmentInfo> {
    return this.get('/v1/configuration-server/enrolment', query);
  }

  enrolments(query: PageQuery = {}): Promise<EnrolmentList> {
    return this.get('/v1/enrolments', query);
  }

  enrolment(enrolmentId: string): Promise<EnrolmentDto> {
    return this.get(`/v1/enrolments/${segment(enrolmentId)}`);
  }

  /** The result has the file with the token, which no other call returns. */
  createEnrolment(body: EnrolmentRequest): Promise<CreatedEnrolment> {
    return this.send('POST', '/v1/enrolments', body);
  }

  revokeEnrolment(enrolmentId: string): Promise<EnrolmentDto> {
    return this.send('DELETE', `/v1/enrolments/${segment(enrolmentId)}`);
  }

  close(): Promise<void> {
    return this.transport.close();
  }

  private get<Result>(path: string, query: object = {}): Promise<Result> {
    return this.send('GET', withQuery(path, query));
  }

  private send<Result>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Result> {
    return this.transport.call({ method, path, authorization: this.authorization, ...(body && { body }) });
  }
}

/** An argument that is no id, as `..`, must not become another path. */
const segment = (id: string): string => (/^\.*$/.test(id) ? '-' : encodeURIComponent(id));

function withQuery(path: string, query: object): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

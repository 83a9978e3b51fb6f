/** Every problem code with its HTTP status and title. Codes are stable; titles may change. */
export const PROBLEMS = {
  validation_failed: { status: 400, title: 'The request has invalid fields' },
  malformed_request: { status: 400, title: 'The request is malformed' },
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_cursor: { status: 400, title: 'Cursor is invalid or belongs to another query' },
  if_match_not_supported: { status: 400, title: 'If-Match is not supported; send the generation' },
  empty_filter: { status: 400, title: 'A purge needs a filter' },
  reason_required: { status: 400, title: 'A reason is required' },
  authentication_required: { status: 401, title: 'Credentials are missing' },
  passphrase_rejected: { status: 401, title: 'The passphrase is not valid' },
  credential_rejected: { status: 401, title: 'The credential is not valid for this process server' },
  credential_revoked: { status: 401, title: 'The credential was revoked; register again' },
  api_key_rejected: { status: 401, title: 'The API key is not valid' },
  permission_denied: { status: 403, title: 'The caller lacks the required permission' },
  process_server_not_found: { status: 404, title: 'Process server not found' },
  api_key_not_found: { status: 404, title: 'API key not found' },
  release_not_found: { status: 404, title: 'Release not found' },
  plan_not_found: { status: 404, title: 'Purge plan not found' },
  route_not_found: { status: 404, title: 'Resource not found' },
  method_not_allowed: { status: 405, title: 'The path does not support this method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  host_id_conflict: { status: 409, title: 'Host id is used by another machine' },
  host_id_in_use: { status: 409, title: 'A connected process server uses this host id' },
  generation_superseded: { status: 409, title: 'The registration was replaced by a newer one' },
  generations_exhausted: { status: 409, title: 'All generations of this host id are used up' },
  generation_unknown: { status: 409, title: 'The generation is newer than the registered one' },
  machines_protected: { status: 409, title: 'Machines are still protected through this process server' },
  machines_unknown: {
    status: 409,
    title: 'Unknown whether machines are protected through this process server',
  },
  process_server_connected: { status: 409, title: 'The process server is connected' },
  process_server_disconnected: { status: 409, title: 'The process server is disconnected; purge it' },
  api_key_name_taken: { status: 409, title: 'An API key with this name exists or existed' },
  last_admin_key: { status: 409, title: 'The last admin API key cannot be revoked' },
  release_catalogue_full: { status: 409, title: 'The release catalogue is full' },
  plan_count_mismatch: { status: 409, title: 'Candidate count does not match the plan' },
  share_not_acknowledged: { status: 409, title: 'The plan covers a large share of the fleet' },
  generation_retired: { status: 410, title: 'The registration has ended' },
  plan_expired: { status: 410, title: 'The purge plan has expired' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The path is too long' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  expectation_failed: { status: 417, title: 'The expectation of the request is not supported' },
  version_newer_than_configuration_server: { status: 422, title: 'The version is newer than the configuration server' },
  version_not_exact: { status: 422, title: "The version is not the configuration server's" },
  invalid_data_port: { status: 422, title: 'The data port is not allowed' },
  clock_in_future: { status: 422, title: 'The clock of the process server is ahead' },
  expiry_not_in_future: { status: 422, title: 'The expiry is not in the future' },
  support_end_not_after_release: { status: 422, title: 'The support does not end after the release' },
  authentication_attempts_exceeded: { status: 429, title: 'Too many rejected passphrases or API keys' },
  request_rate_exceeded: { status: 429, title: 'Too many requests' },
  registration_rate_exceeded: { status: 429, title: 'Too many registrations' },
  heartbeat_rate_exceeded: { status: 429, title: 'Too many heartbeats' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Internal server error' },
  heartbeat_queue_full: { status: 503, title: 'The heartbeat queue is full' },
  replica_not_ready: { status: 503, title: 'The replica cannot accept heartbeats at present' },
  database_unavailable: { status: 503, title: 'The database is unavailable' },
  shutting_down: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Whether a response with this code has a `Retry-After` header. */
export const hasRetryAfter = (code: ProblemCode): boolean =>
  code === 'host_id_in_use' || PROBLEMS[code].status === 429 || PROBLEMS[code].status === 503;

/** The `type` member of a problem. */
export const problemType = (code: ProblemCode): string => `urn:configuration-server:problem:${code}`;

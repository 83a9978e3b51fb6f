/** Every problem code, with the status and the title that it is answered with. Codes are stable; titles may be bettered. */
export const PROBLEMS = {
  validation_failed: { status: 400, title: 'The request has fields that cannot be used' },
  malformed_request: { status: 400, title: 'The request cannot be read' },
  malformed_json: { status: 400, title: 'The body is not JSON' },
  invalid_cursor: { status: 400, title: 'The cursor was not made here for this query' },
  if_match_not_supported: { status: 400, title: 'If-Match is not supported; name the generation' },
  empty_filter: { status: 400, title: 'A purge needs a filter' },
  reason_required: { status: 400, title: 'A reason is needed' },
  authentication_required: { status: 401, title: 'Credentials are missing' },
  passphrase_rejected: { status: 401, title: 'The passphrase is not valid' },
  credential_rejected: { status: 401, title: 'The credential is not valid for this process server' },
  credential_revoked: { status: 401, title: 'The credential was revoked; register again' },
  api_key_rejected: { status: 401, title: 'The API key is not valid' },
  permission_denied: { status: 403, title: 'The caller may not do this' },
  process_server_not_found: { status: 404, title: 'No such process server' },
  api_key_not_found: { status: 404, title: 'No such API key' },
  plan_not_found: { status: 404, title: 'No such purge plan' },
  route_not_found: { status: 404, title: 'No such resource' },
  method_not_allowed: { status: 405, title: 'The path does not have this method' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  host_id_conflict: { status: 409, title: 'Two machines speak under this host id' },
  host_id_in_use: { status: 409, title: 'A connected process server holds this host id' },
  generation_superseded: { status: 409, title: 'A newer registration holds this process server' },
  generations_exhausted: { status: 409, title: 'This host id has no generation left' },
  generation_unknown: { status: 409, title: 'This registration is newer than what is known' },
  machines_protected: { status: 409, title: 'Machines are still protected through this process server' },
  machines_unknown: {
    status: 409,
    title: 'It is not known whether machines are protected through this process server',
  },
  process_server_connected: { status: 409, title: 'The process server is connected' },
  process_server_disconnected: { status: 409, title: 'The process server is disconnected; purge it' },
  api_key_name_taken: { status: 409, title: 'There is or was an API key by this name' },
  last_admin_key: { status: 409, title: 'The last API key of an admin cannot be revoked' },
  plan_count_mismatch: { status: 409, title: 'The plan has another number of candidates' },
  share_not_acknowledged: { status: 409, title: 'The plan covers a large share of the fleet' },
  generation_retired: { status: 410, title: 'This registration has ended' },
  plan_expired: { status: 410, title: 'The purge plan has expired' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The path is too long' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  expectation_failed: { status: 417, title: 'The expectation of the request cannot be met' },
  version_newer_than_configuration_server: { status: 422, title: 'The version is newer than the configuration server' },
  version_not_exact: { status: 422, title: "The version is not the configuration server's" },
  invalid_data_port: { status: 422, title: 'The data port cannot be used' },
  clock_in_future: { status: 422, title: 'The clock of the process server is ahead' },
  expiry_not_in_future: { status: 422, title: 'The expiry is not in the future' },
  authentication_attempts_exceeded: { status: 429, title: 'Too many wrong passphrases or keys' },
  request_rate_exceeded: { status: 429, title: 'Too many calls' },
  registration_rate_exceeded: { status: 429, title: 'Too many registrations' },
  heartbeat_rate_exceeded: { status: 429, title: 'Too many heartbeats' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  heartbeat_queue_full: { status: 503, title: 'Too many heartbeats are waiting' },
  replica_not_ready: { status: 503, title: 'The listening clock is not running at this replica' },
  database_unavailable: { status: 503, title: 'The database does not answer' },
  shutting_down: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Whether a response with this code has a `Retry-After` header. */
export const hasRetryAfter = (code: ProblemCode): boolean =>
  code === 'host_id_in_use' || PROBLEMS[code].status === 429 || PROBLEMS[code].status === 503;

/** The `type` member of a problem. */
export const problemType = (code: ProblemCode): string => `urn:configuration-server:problem:${code}`;

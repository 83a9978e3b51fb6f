import { HttpException } from '@nestjs/common';
import { FleetError, instructionFor, type FleetErrorDetails } from '@app/fleet';
import { PROBLEMS, problemType, type FieldError, type ProblemCode, type ProblemResponse } from '@app/api-contract';
import { RequestProblem } from './request-problem.js';

/** The media type of every problem. JSON needs no charset; clients that default to Latin-1 do. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json; charset=utf-8';

/** Every error of the domain rules is a problem code; a code missing in the table does not compile. */
const toProblemCode = (details: FleetErrorDetails): ProblemCode => details.code;

/** The field that an error of the domain rules is about. */
const FIELD_BY_CODE: Partial<Record<FleetErrorDetails['code'], string>> = {
  invalid_data_port: 'dataPort',
  clock_in_future: 'sentAt',
  version_newer_than_configuration_server: 'agentVersion',
  version_not_exact: 'agentVersion',
  reason_required: 'reason',
  expiry_not_in_future: 'expiresAt',
  support_end_not_after_release: 'supportEndsAt',
  expiry_too_far: 'expiresAt',
  api_key_name_taken: 'name',
  plan_count_mismatch: 'expectedCount',
  share_not_acknowledged: 'acknowledgeShare',
};

/** Fastify's codes of requests that it rejects before a route. */
const PROBLEM_BY_FASTIFY_ERROR: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_BAD_URL: 'malformed_request',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  FST_ERR_NOT_FOUND: 'route_not_found',
};
const PROBLEM_BY_STATUS: Record<number, ProblemCode> = {
  400: 'malformed_request',
  404: 'route_not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  503: 'shutting_down',
};

interface ProblemDetails {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly instruction?: ProblemResponse['instruction'];
  readonly heartbeatIntervalSeconds?: number;
  readonly errors?: readonly FieldError[];
}

function toProblemDetails(error: unknown): ProblemDetails {
  if (error instanceof RequestProblem)
    return { code: error.code, detail: error.detail, ...(error.errors && { errors: error.errors }) };
  if (error instanceof FleetError) {
    const { details, explanation } = error;
    const instruction = instructionFor(details);
    const field = FIELD_BY_CODE[details.code];
    return {
      code: toProblemCode(details),
      detail: explanation,
      ...(instruction && instruction !== 'none' && { instruction }),
      ...('heartbeatIntervalSeconds' in details && { heartbeatIntervalSeconds: details.heartbeatIntervalSeconds }),
      ...(field && { errors: [{ field, message: explanation }] }),
    };
  }
  const { code: name, statusCode } = error as { code?: string; statusCode?: number };
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  const code = (name && PROBLEM_BY_FASTIFY_ERROR[name]) || (status && PROBLEM_BY_STATUS[status]) || 'internal_error';
  return { code, detail: PROBLEMS[code].title };
}

const HEADER_PROBLEMS: ReadonlySet<ProblemCode> = new Set([
  'malformed_request',
  'expectation_failed',
  'unsupported_media_type',
  'method_not_allowed',
]);

/** Whether a problem is in the request head: it is answered before authentication, because the head may not identify the caller. */
export const isHeaderProblem = (error: unknown): boolean => HEADER_PROBLEMS.has(toProblemDetails(error).code);

/**
 * The response to any error. Internal errors become `internal_error` without a reason.
 * Only a process server gets an instruction.
 */
export function toProblem(error: unknown, requestId: string, toProcessServer: boolean): ProblemResponse {
  const { code, detail, instruction, heartbeatIntervalSeconds, errors } = toProblemDetails(error);
  const { status, title } = PROBLEMS[code];
  return {
    type: problemType(code),
    title,
    status,
    detail,
    code,
    requestId,
    ...(toProcessServer && instruction && { instruction }),
    ...(heartbeatIntervalSeconds !== undefined && { heartbeatIntervalSeconds }),
    ...(errors && { errors: [...errors] }),
  };
}

/** Seconds until a retry, with jitter so that callers do not return simultaneously; null if a retry cannot succeed. */
export function retryAfterSeconds(error: unknown, { status }: ProblemResponse, fraction: number): number | null {
  const spreadSeconds = Math.floor(fraction * 5);
  if (error instanceof FleetError && 'retryAfterSeconds' in error.details)
    return error.details.retryAfterSeconds + spreadSeconds;
  return status === 503 || status === 429 ? 1 + spreadSeconds : null;
}

import { applyDecorators, HttpCode, SetMetadata, type Type } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  ApiSecurity,
  getSchemaPath,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import {
  hasRetryAfter,
  PROBLEM_CODES,
  PROBLEMS,
  problemType,
  ProblemResponse,
  type ProblemCode,
} from '@app/api-contract';
import type { Permission } from './principal.js';

const PERMISSION = 'configuration-server:permission';

type ResponseHeaders = Readonly<
  Record<string, { readonly description: string; readonly schema: { readonly type: 'string' | 'integer' } }>
>;

interface EndpointOptions {
  readonly permission: Permission;
  readonly summary: string;
  /** Success responses by status; null has no body. The first is sent unless the method sets another. */
  readonly responses: Readonly<
    Record<
      number,
      {
        readonly type: Type | null;
        readonly description: string;
        readonly mediaType?: string;
        readonly headers?: ResponseHeaders;
      }
    >
  >;
  /** Problem codes in addition to those of every call of its kind. */
  readonly problems?: readonly ProblemCode[];
}

const COMMON_PROBLEMS: readonly ProblemCode[] = [
  'malformed_request',
  'validation_failed',
  'request_timeout',
  'uri_too_long',
  'unsupported_media_type',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
  'shutting_down',
];
const API_KEY_PROBLEMS: readonly ProblemCode[] = [
  'authentication_required',
  'api_key_rejected',
  'authentication_attempts_exceeded',
  'permission_denied',
  'request_rate_exceeded',
  'database_unavailable',
];
const REGISTRATION_PROBLEMS: readonly ProblemCode[] = [
  'authentication_required',
  'passphrase_rejected',
  'enrolment_rejected',
  'enrolment_unknown_site',
  'authentication_attempts_exceeded',
  'database_unavailable',
];
const ENDED_ENROLMENT_PROBLEMS: readonly ProblemCode[] = ['enrolment_expired', 'enrolment_revoked'];
const PROBLEMS_BY_PERMISSION: Record<Permission, readonly ProblemCode[]> = {
  anyone: [],
  metrics: API_KEY_PROBLEMS,
  passphrase: [...REGISTRATION_PROBLEMS, ...ENDED_ENROLMENT_PROBLEMS],
  preflight: REGISTRATION_PROBLEMS,
  passphrase_or_reader: [...REGISTRATION_PROBLEMS, ...ENDED_ENROLMENT_PROBLEMS, ...API_KEY_PROBLEMS],
  process_server: ['credential_rejected', 'database_unavailable'],
  process_server_or_operator: ['credential_rejected', ...API_KEY_PROBLEMS],
  reader: API_KEY_PROBLEMS,
  operator: API_KEY_PROBLEMS,
  admin: API_KEY_PROBLEMS,
};

/** Problem codes of calls with a body. */
export const BODY_PROBLEMS: readonly ProblemCode[] = [
  'validation_failed',
  'malformed_json',
  'body_too_large',
  'unsupported_media_type',
];

/** Problem codes of calls that change something. Heartbeats ignore preconditions. */
export const CHANGE_PROBLEMS: readonly ProblemCode[] = [...BODY_PROBLEMS, 'if_match_not_supported'];

function problemResponses(codes: readonly ProblemCode[]): ApiResponseOptions[] {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes))
    byStatus.set(PROBLEMS[code].status, [...(byStatus.get(PROBLEMS[code].status) ?? []), code]);
  return [...byStatus].map(([status, codesOfStatus]) => ({
    status,
    description: codesOfStatus.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: getSchemaPath(ProblemResponse) },
            { type: 'object', properties: { code: { type: 'string', enum: [...codesOfStatus] } } },
          ],
        },
        examples: Object.fromEntries(codesOfStatus.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
    ...toProblemHeaders(status, codesOfStatus),
  }));
}

function toProblemHeaders(
  status: number,
  codes: readonly ProblemCode[],
): { headers?: Record<string, ResponseHeaders[string]> } {
  if (status === 401)
    return {
      headers: {
        'WWW-Authenticate': {
          description: '`Bearer`, `Passphrase, Enrolment`, or all of them',
          schema: { type: 'string' },
        },
      },
    };
  if (!codes.some(hasRetryAfter)) return {};
  return {
    headers: {
      'Retry-After': {
        description: `${codes.every(hasRetryAfter) ? '' : 'With `host_id_in_use`: '}Seconds until the next attempt, with random jitter`,
        schema: { type: 'integer' },
      },
    },
  };
}

/** One example of each problem; the operations refer to them. */
export const PROBLEM_EXAMPLES: Record<string, { readonly summary: string; readonly value: object }> =
  Object.fromEntries(
    PROBLEM_CODES.map((code) => [code, { summary: PROBLEMS[code].title, value: problemExample(code) }]),
  );

function problemExample(code: ProblemCode): object {
  return {
    type: problemType(code),
    title: PROBLEMS[code].title,
    status: PROBLEMS[code].status,
    detail: PROBLEMS[code].title,
    code,
    requestId: '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10',
    ...(code === 'validation_failed' && {
      errors: [{ field: 'dataPort', message: 'dataPort must not be greater than 65535' }],
    }),
  };
}

const SECURITY_BY_PERMISSION: Record<Permission, MethodDecorator[]> = {
  anyone: [],
  metrics: [ApiSecurity({}), ApiBearerAuth('apiKey')], // public, or for readers if so configured
  passphrase: [ApiSecurity('passphrase'), ApiSecurity('enrolment')],
  preflight: [ApiSecurity('passphrase'), ApiSecurity('enrolment')],
  passphrase_or_reader: [ApiSecurity('passphrase'), ApiSecurity('enrolment'), ApiBearerAuth('apiKey')],
  process_server: [ApiBearerAuth('credential')],
  process_server_or_operator: [ApiBearerAuth('credential'), ApiBearerAuth('apiKey')],
  reader: [ApiBearerAuth('apiKey')],
  operator: [ApiBearerAuth('apiKey')],
  admin: [ApiBearerAuth('apiKey')],
};

/** Of a response without a type. Generated clients must not decode the bytes of a file. */
const schemaOf = (mediaType: string): { type: 'string'; format?: 'binary' } => ({
  type: 'string',
  ...(mediaType === 'application/octet-stream' && { format: 'binary' }),
});

/** The plugin of @nestjs/swagger infers a response from the HTTP method (201 for any POST) and adds it below this decorator. */
const clearInferredResponses: MethodDecorator = (_target, _name, descriptor) =>
  void Reflect.deleteMetadata('swagger/apiResponse', descriptor.value as object);

/** Declares a route's permission, responses and problems next to its path, for the guard and for the OpenAPI document. */
export function Endpoint({ permission, summary, responses, problems = [] }: EndpointOptions): MethodDecorator {
  const statuses = Object.keys(responses).map(Number);
  const success = statuses.map((status): MethodDecorator & ClassDecorator => {
    const { type, mediaType, ...responseOptions } = responses[status] ?? { type: null, description: '' };
    if (type) return ApiResponse({ status, ...responseOptions, type });
    return ApiResponse({
      status,
      ...responseOptions,
      ...(mediaType && { content: { [mediaType]: { schema: schemaOf(mediaType) } } }),
    });
  });
  const failures = problemResponses([...problems, ...PROBLEMS_BY_PERMISSION[permission], ...COMMON_PROBLEMS]).map(
    (options) => ApiResponse(options),
  );
  return applyDecorators(
    clearInferredResponses,
    SetMetadata(PERMISSION, permission),
    HttpCode(statuses[0] ?? 200),
    ApiOperation({ summary, description: `Permission: ${permission}.` }),
    ApiExtraModels(ProblemResponse),
    ...SECURITY_BY_PERMISSION[permission],
    ...success,
    ...failures,
  );
}

/** The permission that a route declares; if it is undefined, the server does not start. */
export const permissionOf = (handler: object): Permission | undefined =>
  Reflect.getMetadata(PERMISSION, handler) as Permission | undefined;

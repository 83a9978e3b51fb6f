import { applyDecorators, HttpCode, SetMetadata, UseInterceptors, type Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOperation,
  ApiResponse,
  ApiSecurity,
  getSchemaPath,
  type ApiResponseOptions,
} from '@nestjs/swagger';
import { hasRetryAfter, PROBLEM_CODES, PROBLEMS, problemType, ProblemResponse, type ProblemCode } from '@app/wire';
import type { Permission } from './caller.js';
import { EarlyReads } from './early-reads.js';

const PERMISSION = 'configuration-server:permission';
const BEGINS_EARLY = 'configuration-server:begins-early';

type ResponseHeaders = Readonly<
  Record<string, { readonly description: string; readonly schema: { readonly type: 'string' | 'integer' } }>
>;

interface CallDescription {
  readonly permits: Permission;
  readonly summary: string;
  /** For a reader's call that changes nothing, and needs to know neither who asks nor how it is answered; others do not start: see `EarlyReads`. */
  readonly beginsEarly?: boolean;
  /** Successful answers by status; null has no body. The first is the one that is sent unless the method says otherwise. */
  readonly answers: Readonly<
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
  /** Problem codes besides those that every call of its kind can have. */
  readonly problems?: readonly ProblemCode[];
}

const PROBLEMS_OF_ALL: readonly ProblemCode[] = [
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
const PROBLEMS_OF_KEYS: readonly ProblemCode[] = [
  'authentication_required',
  'api_key_rejected',
  'authentication_attempts_exceeded',
  'permission_denied',
  'request_rate_exceeded',
  'database_unavailable',
];
const PROBLEMS_BY_PERMISSION: Record<Permission, readonly ProblemCode[]> = {
  anyone: [],
  metrics: PROBLEMS_OF_KEYS,
  passphrase: [
    'authentication_required',
    'passphrase_rejected',
    'authentication_attempts_exceeded',
    'database_unavailable',
  ],
  process_server: ['credential_rejected', 'database_unavailable'],
  process_server_or_operator: ['credential_rejected', ...PROBLEMS_OF_KEYS],
  reader: PROBLEMS_OF_KEYS,
  operator: PROBLEMS_OF_KEYS,
  admin: PROBLEMS_OF_KEYS,
};

/** Codes of calls that take a body. */
export const BODY_PROBLEMS: readonly ProblemCode[] = [
  'validation_failed',
  'malformed_json',
  'body_too_large',
  'unsupported_media_type',
];

/** Codes of calls that change something. Heartbeats do not look at preconditions. */
export const CHANGE_PROBLEMS: readonly ProblemCode[] = [...BODY_PROBLEMS, 'if_match_not_supported'];

function problemResponses(codes: readonly ProblemCode[]): ApiResponseOptions[] {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set(codes))
    byStatus.set(PROBLEMS[code].status, [...(byStatus.get(PROBLEMS[code].status) ?? []), code]);
  return [...byStatus].map(([status, ofStatus]) => ({
    status,
    description: ofStatus.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: getSchemaPath(ProblemResponse) },
            { type: 'object', properties: { code: { type: 'string', enum: [...ofStatus] } } },
          ],
        },
        examples: Object.fromEntries(ofStatus.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
    ...headersOf(status, ofStatus),
  }));
}

function headersOf(
  status: number,
  codes: readonly ProblemCode[],
): { headers?: Record<string, ResponseHeaders[string]> } {
  if (status === 401)
    return { headers: { 'WWW-Authenticate': { description: '`Bearer` or `Passphrase`', schema: { type: 'string' } } } };
  if (!codes.some(hasRetryAfter)) return {};
  return {
    headers: {
      'Retry-After': {
        description: `${codes.every(hasRetryAfter) ? '' : 'With `host_id_in_use`: '}When to come again, in seconds; spread by chance`,
        schema: { type: 'integer' },
      },
    },
  };
}

/** One of each problem; the calls refer to them. */
export const PROBLEM_EXAMPLES: Record<string, { readonly summary: string; readonly value: object }> =
  Object.fromEntries(PROBLEM_CODES.map((code) => [code, { summary: PROBLEMS[code].title, value: exampleOf(code) }]));

function exampleOf(code: ProblemCode): object {
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

const securityOf: Record<Permission, MethodDecorator[]> = {
  anyone: [],
  metrics: [ApiSecurity({}), ApiBearerAuth('apiKey')], // anyone, or a reader where so configured
  passphrase: [ApiSecurity('passphrase')],
  process_server: [ApiBearerAuth('credential')],
  process_server_or_operator: [ApiBearerAuth('credential'), ApiBearerAuth('apiKey')],
  reader: [ApiBearerAuth('apiKey')],
  operator: [ApiBearerAuth('apiKey')],
  admin: [ApiBearerAuth('apiKey')],
};

/** The plugin of @nestjs/swagger guesses an answer from the HTTP method (201 for any POST) and puts it below this decorator. */
const forgetGuessedAnswers: MethodDecorator = (_target, _name, descriptor) =>
  void Reflect.deleteMetadata('swagger/apiResponse', descriptor.value as object);

/** Of a handler that is handed the answer: what it writes there would go out before its caller is let in. */
const refuseWritingToAnswer =
  (summary: string): MethodDecorator =>
  (target, name) => {
    const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, target.constructor, name) ?? {}) as object;
    const isHanded = Object.keys(parameters).some((parameter) => parameter.startsWith(`${RouteParamtypes.RESPONSE}:`));
    if (isHanded) throw new Error(`${summary}: a call that writes to its answer itself may not begin early`);
  };

/** States a route's permission, answers and problems next to its path: for the guard, and for the OpenAPI document. */
export function Call({
  permits,
  summary,
  answers,
  problems = [],
  beginsEarly = false,
}: CallDescription): MethodDecorator {
  if (beginsEarly && permits !== 'reader') throw new Error(`${summary}: only a reader's call may begin early`);
  const statuses = Object.keys(answers).map(Number);
  const success = statuses.map((status): MethodDecorator & ClassDecorator => {
    const { type, mediaType, ...answer } = answers[status] ?? { type: null, description: '' };
    if (type) return ApiResponse({ status, ...answer, type });
    return ApiResponse({
      status,
      ...answer,
      ...(mediaType && { content: { [mediaType]: { schema: { type: 'string' } } } }),
    });
  });
  const failures = problemResponses([...problems, ...PROBLEMS_BY_PERMISSION[permits], ...PROBLEMS_OF_ALL]).map(
    (options) => ApiResponse(options),
  );
  return applyDecorators(
    forgetGuessedAnswers,
    SetMetadata(PERMISSION, permits),
    ...(beginsEarly
      ? [refuseWritingToAnswer(summary), SetMetadata(BEGINS_EARLY, true), UseInterceptors(EarlyReads)]
      : []),
    HttpCode(statuses[0] ?? 200),
    ApiOperation({ summary, description: `Permission: ${permits}.` }),
    ApiExtraModels(ProblemResponse),
    ...securityOf[permits],
    ...success,
    ...failures,
  );
}

/** The permission that a route states; undefined when it states none, and then the server does not start. */
export const permissionOf = (handler: object): Permission | undefined =>
  Reflect.getMetadata(PERMISSION, handler) as Permission | undefined;

export const beginsEarly = (handler: object): boolean => Reflect.getMetadata(BEGINS_EARLY, handler) === true;

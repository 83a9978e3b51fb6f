import type { OpenAPIObject } from '@nestjs/swagger';
import { refineSchema, type Schema } from './refine-schema.js';

type Header = Readonly<Record<string, unknown>>;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema?: Schema;
  example?: unknown;
}

interface Response {
  readonly description: string;
  headers?: Record<string, Header>;
  readonly content?: Readonly<Record<string, { readonly schema?: { readonly allOf?: readonly Schema[] } }>>;
}

export interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: { readonly $ref?: string } }>>;
  };
  readonly responses: Record<string, Response | { readonly $ref: string }>;
  security?: readonly Readonly<Record<string, unknown>>[];
}

export const operationsOf = ({ paths }: Pick<OpenAPIObject, 'paths'>): Operation[] =>
  Object.values(paths).flatMap((methods) => Object.values(methods) as Operation[]);

const header = (description: string, type: 'string' | 'integer' = 'string'): Header => ({
  description,
  schema: { type },
});

/** Headers that responses share; the responses refer to them. */
export const SHARED_HEADERS: Readonly<Record<string, Header>> = {
  'X-Request-Id': {
    ...header('Identifies the call in the audit log and in problems'),
    schema: { type: 'string', format: 'uuid' },
  },
  'RateLimit-Policy': header(
    'Rate limit of the caller: `"api-key";q=100;w=1` allows 100 calls in 1 s (draft-ietf-httpapi-ratelimit-headers-10)',
  ),
  RateLimit: header('Remaining quota: `"api-key";r=99;t=1` allows 99 calls in the next second'),
};

/** Adds the common parts of an operation: response headers, security of public calls, path examples. */
export function describeOperation(operation: Operation): void {
  operation.security ??= [];
  const isLimited = operation.security.some((requirement) => 'apiKey' in requirement);
  for (const [status, response] of Object.entries(operation.responses)) {
    const hasQuota = status === '429' || (isLimited && Number(status) < 400); // other problems have it as well if the caller is authenticated
    const shared = hasQuota ? Object.keys(SHARED_HEADERS) : ['X-Request-Id'];
    const references = shared.map((name) => [name, { $ref: `#/components/headers/${name}` }] as const);
    Object.assign(response, { headers: { ...(response as Response).headers, ...Object.fromEntries(references) } });
  }
  for (const parameter of operation.parameters ?? []) describeParameter(parameter);
}

/** Swagger UI fills in every example: useful for path parameters, wrong for filters. */
function describeParameter(parameter: Parameter): void {
  const { name, schema } = parameter;
  if (!schema) return;
  refineSchema(name, schema);
  if (parameter.in === 'path') parameter.example = schema.examples?.[0];
  delete schema.examples;
}

/** Moves the problems of the operations into components named by their codes, and leaves references. */
export function sharedProblems(operations: readonly Operation[]): Record<string, Response> {
  const shared: Record<string, Response> = {};
  for (const { responses } of operations) {
    for (const [status, response] of Object.entries(responses)) {
      const codes = codesOf(response as Response);
      if (codes.length === 0) continue;
      const name = codes.map(pascalCase).sort().join('Or');
      shared[name] = response as Response;
      responses[status] = { $ref: `#/components/responses/${name}` };
    }
  }
  return Object.fromEntries(Object.entries(shared).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function codesOf({ content }: Response): readonly string[] {
  const parts = content?.['application/problem+json']?.schema?.allOf ?? [];
  return parts.flatMap(({ properties }) => (properties?.['code']?.enum ?? []) as string[]);
}

const pascalCase = (code: string): string =>
  code.replace(/(?:^|_)([a-z])/g, (_whole, letter: string) => letter.toUpperCase());

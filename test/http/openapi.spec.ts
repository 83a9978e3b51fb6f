import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PROBLEM_CODES, PROBLEMS, problemType, type ProblemCode } from '@app/api-contract';
import type { Permission } from '../../apps/configuration-server/src/access/principal.js';
import { routePermissions } from '../../apps/configuration-server/src/access/route-permissions.js';
import { API_CONTROLLERS } from '../../apps/configuration-server/src/app.module.js';
import { OPENAPI_FILE } from '../../apps/configuration-server/src/openapi/openapi-file.js';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly description?: string;
  readonly format?: string;
  readonly allOf?: readonly Schema[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
}
interface Response {
  readonly $ref?: string;
  readonly description: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<
    Record<string, { readonly schema: Schema; readonly examples?: Readonly<Record<string, { readonly $ref: string }>> }>
  >;
}
interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: Schema;
    readonly example?: unknown;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, Response>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Response>>;
    readonly examples: Readonly<Record<string, { readonly value: Record<string, unknown> }>>;
    readonly securitySchemes: Readonly<Record<string, Record<string, unknown>>>;
  };
}

const document = JSON.parse(readFileSync(OPENAPI_FILE, 'utf8')) as Document;
/** An operation with its referenced responses resolved. */
const whole = (operation: Operation): Operation => ({
  ...operation,
  responses: Object.fromEntries(
    Object.entries(operation.responses).map(([status, response]) => [
      status,
      document.components.responses[response.$ref?.split('/').at(-1) ?? ''] ?? response,
    ]),
  ),
});
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    operation: whole(operation),
  })),
);
/** The type of a non-null value. */
const typeOf = ({ type, anyOf, $ref }: Schema): string | undefined =>
  $ref ?? [type ?? []].flat().find((each) => each !== 'null') ?? anyOf?.[0]?.$ref;
const routes = routePermissions(API_CONTROLLERS).map(({ method, path, permission }) => ({
  name: `${method} /${path.replace(/^\//, '').replace(/:(\w+)/g, '{$1}')}`,
  permission,
}));
const codesOf = ({ content }: Response): readonly string[] =>
  content?.['application/problem+json']?.schema.allOf?.find(({ properties }) => properties?.['code'])?.properties?.[
    'code'
  ]?.enum ?? [];
const properties = Object.entries(document.components.schemas).flatMap(([schema, { properties: members = {} }]) =>
  Object.entries(members).map(([name, property]) => ({ where: `${schema}.${name}`, schema, name, property })),
);

it('is OpenAPI 3.1 with the version of the server', () => {
  expect(document).toMatchObject({ openapi: '3.1.0', servers: [{ url: '/' }] });
});

describe('the routes', () => {
  it('are the routes that the app serves, all of them and no other', () => {
    expect(operations.map(({ name }) => name).sort()).toEqual(routes.map(({ name }) => name).sort());
  });

  it('have unique operation ids', () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  it.each(operations)('$name has a summary and a tag', ({ operation }) => {
    expect(operation.summary).toMatch(/\w/);
    expect(operation.tags?.length).toBeGreaterThan(0);
  });

  const AS_TEXT = new Set([
    'GET /metrics',
    'GET /v1/events/export',
    'GET /v1/releases/{component}/{osType}/{version}/package',
  ]);
  const SUCCESSES: Record<string, string[]> = {
    'PUT /v1/releases/{component}/{osType}/{version}': ['200', '201'],
    'GET /v1/releases/{component}/{osType}/{version}/package': ['200', '206', '304'],
    'PUT /v1/process-servers/{hostId}': ['200', '201'],
    'DELETE /v1/process-servers/{hostId}': ['202'],
    'GET /v1/process-servers/{hostId}': ['200', '304'],
    'POST /v1/purges': ['201'],
    'POST /v1/api-keys': ['201'],
    'POST /v1/passphrases': ['201'],
    'POST /v1/enrolments': ['201'],
  };
  it.each(operations)('$name succeeds with the statuses of the contract, each with a schema', ({ name, operation }) => {
    const successes = Object.entries(operation.responses).filter(([status]) => Number(status) < 400);
    expect(successes.map(([status]) => status)).toEqual(SUCCESSES[name] ?? ['200']);
    for (const [status, { content, description }] of successes) {
      expect(description).toMatch(/\w/);
      const schemas = Object.values(content ?? {}).map(({ schema }) => schema.$ref ?? schema.type);
      expect(schemas).toEqual(
        status === '304' ? [] : [AS_TEXT.has(name) ? 'string' : expect.stringMatching(/^#\/components\/schemas\/\w+$/)],
      );
    }
  });

  const SECURITY: Record<Permission, string[]> = {
    anyone: [],
    metrics: ['', 'apiKey'],
    passphrase: ['enrolment', 'passphrase'],
    preflight: ['enrolment', 'passphrase'],
    passphrase_or_reader: ['apiKey', 'enrolment', 'passphrase'],
    process_server: ['credential'],
    process_server_or_operator: ['apiKey', 'credential'],
    reader: ['apiKey'],
    operator: ['apiKey'],
    admin: ['apiKey'],
  };
  it.each(operations)('$name requires the authentication of its permission', ({ name, operation }) => {
    const permission = routes.find((route) => route.name === name)?.permission;
    const schemes = operation.security?.map((requirement) => Object.keys(requirement).join(' ')).sort();
    expect(schemes).toEqual(permission ? SECURITY[permission] : undefined);
    for (const scheme of schemes ?? [])
      if (scheme) expect(Object.keys(document.components.securitySchemes)).toContain(scheme);
  });

  it.each(operations)('$name declares every parameter of its path, with a type', ({ name, operation }) => {
    const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
    expect(operation.parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(inPath));
    for (const { schema } of operation.parameters) expect(schema.type).toMatch(/^(string|integer|boolean)$/);
  });

  it.each(operations)(
    '$name has an example for each path parameter, and for no other: an API explorer would prefill it',
    ({ operation }) => {
      const shown = operation.parameters.filter(
        ({ example, schema }) => example !== undefined || 'example' in schema || 'examples' in schema,
      );
      expect(shown.map(({ name }) => name)).toEqual(
        operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name),
      );
    },
  );

  it.each(operations.filter(({ operation }) => operation.requestBody))(
    '$name references its body schema',
    ({ operation }) => {
      expect(operation.requestBody?.content['application/json']?.schema.$ref).toMatch(
        /^#\/components\/schemas\/\w+Request$/,
      );
    },
  );
});

describe('the problems', () => {
  it('are all in the document, each under its status', () => {
    const found = new Set<string>();
    for (const { name, operation } of operations) {
      for (const [status, response] of Object.entries(operation.responses).filter(([given]) => Number(given) >= 400)) {
        const codes = codesOf(response);
        expect([name, status, codes.length > 0]).toEqual([name, status, true]);
        for (const code of codes) {
          expect([name, code, PROBLEMS[code as ProblemCode].status]).toEqual([name, code, Number(status)]);
          found.add(code);
        }
      }
    }
    // No operation can return these two.
    expect(PROBLEM_CODES.filter((code) => !found.has(code))).toEqual(['route_not_found', 'method_not_allowed']);
  });

  it('have one example each, which the operations reference', () => {
    expect(Object.keys(document.components.examples).sort()).toEqual([...PROBLEM_CODES].sort());
    for (const code of PROBLEM_CODES) {
      expect(document.components.examples[code]?.value).toMatchObject({
        type: problemType(code),
        code,
        status: PROBLEMS[code].status,
        title: PROBLEMS[code].title,
      });
    }
    for (const { operation } of operations) {
      for (const response of Object.values(operation.responses)) {
        const examples = response.content?.['application/problem+json']?.examples ?? {};
        expect(examples).toEqual(
          Object.fromEntries(codesOf(response).map((code) => [code, { $ref: `#/components/examples/${code}` }])),
        );
      }
    }
  });

  it('describe Retry-After and the authentication challenge', () => {
    for (const { operation } of operations) {
      for (const status of ['429', '503'])
        if (operation.responses[status]) expect(operation.responses[status].headers).toHaveProperty('Retry-After');
      if (operation.responses['429']) expect(operation.responses['429'].headers).toHaveProperty('RateLimit');
      for (const response of Object.values(operation.responses))
        expect(response.headers).toHaveProperty('X-Request-Id');
      if (operation.responses['401']) expect(operation.responses['401'].headers).toHaveProperty('WWW-Authenticate');
    }
  });

  it('are in docs/problem-codes.md, each with its status, and no other', () => {
    const page = readFileSync(new URL('../../docs/problem-codes.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([a-z_]+)` +\| (\d{3}) +\|/gm)].map(([, code, status]) => `${code} ${status}`);
    expect(rows.sort()).toEqual(PROBLEM_CODES.map((code) => `${code} ${PROBLEMS[code].status}`).sort());
  });
});

describe('the schemas', () => {
  it('resolve every reference', () => {
    const references = [
      ...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(schemas|examples|responses|headers)\/([\w-]+)"/g),
    ];
    expect(references.length).toBeGreaterThan(0);
    for (const [, kind, name] of references)
      expect(Object.keys(document.components[kind as 'schemas' | 'examples' | 'responses'])).toContain(name);
  });

  it.each(properties)('$where has a type', ({ property }) => {
    expect(typeOf(property)).toMatch(/^(#\/components\/schemas\/\w+|string|integer|number|boolean|array|object)$/);
    if (typeOf(property) === 'array')
      expect(typeOf(property.items ?? {})).toMatch(/^(#\/components\/schemas\/\w+|string)$/);
    if (typeOf(property) === 'object') expect(property.additionalProperties).toBe(true);
  });

  /** Numbers have their unit in the name, except counts by state and numbers without a unit. */
  const UNIT = /(Seconds|Bytes|BytesPerSecond|BytesPerDay|Percent|Ms|Count|Port|Cores|Days)$|^port$/;
  const NO_UNIT = new Set([
    'generation',
    'status',
    'total',
    'onEarlierPassphrase',
    'lastPassRemoved',
    'epoch',
    'generationFloor',
    'remaining',
    'maxRegistrations',
    'registrations',
    'format',
  ]);
  it.each(properties.filter(({ property }) => /^(integer|number)$/.test(typeOf(property) ?? '')))(
    '$where is a number with its unit in the name',
    ({ schema, name, property }) => {
      expect(UNIT.test(name) || NO_UNIT.has(name) || schema.endsWith('Counts')).toBe(true);
      expect(typeOf(property)).toBe(name === 'cpuPercent' ? 'number' : 'integer');
    },
  );

  it.each(
    properties.filter(
      ({ name, property }) =>
        typeOf(property) === 'string' &&
        /(At|By|Utc|Since|lastHeartbeat|[fF]rom|^to|[aA]sOf|Until)$/.test(name) &&
        !['lastPassBy', 'decommissionedBy', 'createdBy', 'revokedBy', 'blockedBy'].includes(name),
    ),
  )('$where is a timestamp', ({ property }) => {
    expect([property.format, property.description]).toEqual(['date-time', expect.stringContaining('RFC 3339')]);
  });

  it('of requests allow no additional members, except the heartbeat', () => {
    const open = Object.entries(document.components.schemas).filter(
      ([name, { additionalProperties }]) => name.endsWith('Request') && additionalProperties !== false,
    );
    expect(open.map(([name, { additionalProperties }]) => [name, additionalProperties])).toEqual([
      ['HeartbeatRequest', true],
    ]);
  });

  it('declare null as a separate type', () => {
    expect(JSON.stringify(document)).not.toMatch(/"nullable"/);
    expect(document.components.schemas['ProcessServerDetail']?.properties?.['proxy']).toEqual({
      anyOf: [{ $ref: '#/components/schemas/ProxySettings' }, { type: 'null' }],
    });
  });

  it('of requests and responses are distinct', () => {
    const requests = operations.flatMap(({ operation }) =>
      Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema.$ref),
    );
    const responses = operations.flatMap(({ operation }) =>
      Object.values(operation.responses).flatMap(({ content }) =>
        Object.values(content ?? {}).map(({ schema }) => schema.$ref),
      ),
    );
    expect(requests.filter((request) => responses.includes(request))).toEqual([]);
  });
});

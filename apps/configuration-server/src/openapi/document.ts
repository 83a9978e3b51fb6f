import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { PROBLEM_EXAMPLES } from '../access/endpoint.decorator.js';
import { refineSchema, type Schema } from './refine-schema.js';
import { describeOperation, operationsOf, SHARED_HEADERS, sharedProblems, type Operation } from './operations.js';

/** Creates the OpenAPI document from the routes alone, without the version or address of a deployment. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle('Configuration server')
    .setDescription(
      "The registry of a site's process servers: registration, heartbeats, removal and queries. Timestamps are RFC 3339 in UTC, durations " +
        'and sizes have their unit in the name. Text is one line of visible characters, without white space at its ' +
        'ends. Problems are RFC 9457; their `code` is stable. An unknown path gets 404 `route_not_found`, a method that a ' +
        'path does not support gets 405 `method_not_allowed` and `Allow`. All text is UTF-8.',
    )
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addServer('/', 'The server of this document')
    .addTag('process server', 'Calls of process servers')
    .addTag('operator', 'Removal of process servers from the fleet')
    .addTag('enrolment', 'Addition of process servers to the site')
    .addTag('administration', 'API keys and the passphrase')
    .addTag('releases', 'The release catalogue and its packages')
    .addTag('queries', 'Reads of operators and the portal')
    .addTag('operation', 'Health and metrics of a replica')
    .addSecurity('passphrase', {
      type: 'apiKey',
      in: 'header',
      name: 'Authorization',
      description: '`Passphrase <passphrase>`',
    })
    .addSecurity('enrolment', {
      type: 'apiKey',
      in: 'header',
      name: 'Authorization',
      description: '`Enrolment <token>`, the token of an enrolment file',
    })
    .addBearerAuth(
      { type: 'http', scheme: 'bearer', bearerFormat: 'psc_…', description: 'Credential of a process server' },
      'credential',
    )
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'csk_…', description: 'API key' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, base, {
    operationIdFactory: (_controller, method) => method,
    autoTagControllers: false,
  });
  const operations = operationsOf(document);
  for (const operation of operations) describeOperation(operation);
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  for (const { properties = {} } of Object.values(schemas)) {
    for (const [name, property] of Object.entries(properties)) refineSchema(name, property);
  }
  for (const name of requestSchemas(operations, schemas))
    Object.assign(schemas[name] ?? {}, { additionalProperties: OPEN_SCHEMAS.includes(name) });
  delete document.info.contact; // the builder leaves it empty
  const components = {
    ...document.components,
    schemas,
    headers: SHARED_HEADERS,
    responses: sharedProblems(operations),
    examples: PROBLEM_EXAMPLES,
  };
  return { ...document, components } as object as OpenAPIObject;
}

/** Schemas that allow additional members: a heartbeat of a newer agent is accepted, and its unknown members are ignored. */
const OPEN_SCHEMAS = ['HeartbeatRequest', 'LoadReport', 'ServiceReport'];

/** The schemas of all request bodies, with nested ones. Unknown members of a request are rejected; a response may get new ones. */
function requestSchemas(operations: readonly Operation[], schemas: Readonly<Record<string, object>>): Set<string> {
  const found = new Set<string>();
  const collect = (schema: object): void => {
    for (const [, name = ''] of JSON.stringify(schema).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue;
      found.add(name);
      collect(schemas[name] ?? {});
    }
  };
  for (const { requestBody } of operations) if (requestBody) collect(requestBody.content);
  return found;
}

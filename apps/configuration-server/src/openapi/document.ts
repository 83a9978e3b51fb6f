import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { PROBLEM_EXAMPLES } from '../access/call.decorator.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
interface Schema {
  type?: string;
  format?: string;
  example?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Record<string, Schema>;
}
interface Parameter {
  readonly name: string;
  readonly schema?: Schema;
}

/** The OpenAPI document of the routes, from the code alone: no version of a deployment, no address of one. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  const base = new DocumentBuilder()
    .setTitle('Configuration server')
    .setDescription(
      'The registry of a site\'s process servers: registration, heartbeats, removal and queries. Instants are RFC 3339 in UTC, durations ' +
        'and sizes carry their unit in the name. Text is one line of characters that can be seen, without white space at its ' +
        'ends. Problems are RFC 9457; their `code` is stable.',
    )
    .setVersion('1')
    .addTag('process server', 'What a process server calls')
    .addTag('operator', 'Taking process servers out of the fleet')
    .addTag('administration', 'API keys and the passphrase')
    .addTag('queries', 'What operators and the portal read')
    .addTag('operation', 'Health and metrics of a replica')
    .addSecurity('passphrase', { type: 'apiKey', in: 'header', name: 'Authorization', description: '`Passphrase <passphrase>`' })
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'psc_…', description: 'Credential of a process server' }, 'credential')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'csk_…', description: 'API key' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, base, { operationIdFactory: (_controller, method) => method, autoTagControllers: false });
  for (const operations of Object.values(document.paths)) {
    for (const { parameters = [] } of Object.values(operations) as Operation[]) {
      for (const { name, schema } of parameters as Parameter[]) if (schema) sharpen(name, schema);
    }
  }
  for (const { properties = {} } of Object.values(document.components?.schemas ?? {}) as Schema[]) {
    for (const [name, property] of Object.entries(properties)) sharpen(name, property);
  }
  for (const name of OPEN_SCHEMAS) Object.assign(document.components?.schemas?.[name] ?? {}, { additionalProperties: true });
  delete document.info.contact; // nobody's: the builder leaves it empty
  return { ...document, components: { ...document.components, examples: PROBLEM_EXAMPLES } };
}

/** What may have more members than the document names: a heartbeat of a newer agent is accepted, and its unknown members are ignored. */
const OPEN_SCHEMAS = ['HeartbeatRequest', 'LoadReport', 'ServiceReport'];

/** The only numbers of the contract with a fraction. */
const FRACTIONS = new Set(['cpuPercent']);
const INSTANT = /^(at|asOf|from|to|removeBy|lastHeartbeat|\w+At)$/;
const IDENTITY = /^(id|hostId|planId|keyId|passphraseId|requestId)$/;
const LONG = /(Bytes|BytesPerSecond|Ms)$/;

/** Values to show for members that have no example of their own. */
const EXAMPLES: Readonly<Record<string, unknown>> = {
  friendlyName: 'ps-berlin-1',
  fqdn: 'ps-berlin-1.example.net',
  ipAddress: '192.0.2.11',
  sourceAddress: '192.0.2.11',
  agentVersion: '1.0.0.0',
  version: '1.0.0.0',
  generation: 1,
  dataPort: 9443,
  osType: 'Windows',
  osVersion: 'Server 2022',
  machineId: '4c4c4544-0044-4a10-8054-b7c04f4b3932',
  instanceId: '7f0c6a1e',
  cpuCores: 8,
  memoryBytes: 17_179_869_184,
  cacheDiskBytes: 644_245_094_400,
  heartbeatIntervalSeconds: 30,
  leaseSeconds: 180,
  cpuPercent: 37.5,
  reason: 'machine was scrapped',
  force: false,
  acknowledgeShare: false,
  code: 'validation_failed',
  status: 400,
};
const EXAMPLES_BY_FORMAT: Readonly<Record<string, string>> = { 'date-time': '2026-11-23T09:00:00.000Z', uuid: '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10' };

/** Without an example, a page that tries calls out sends the present: any other instant would be a clock that is off. */
const PRESENT = 'sentAt';

/** What the contract's names say and TypeScript's types cannot: whole numbers, instants and UUIDs; with an example. */
function sharpen(name: string, schema: Schema): void {
  if (schema.type === 'number' && !FRACTIONS.has(name)) {
    schema.type = 'integer';
    if (LONG.test(name) || name === 'generation') schema.format = 'int64';
  }
  if (schema.type === 'string' && INSTANT.test(name)) schema.format = 'date-time';
  if (schema.type === 'string' && IDENTITY.test(name)) schema.format = 'uuid';
  const example = EXAMPLES_BY_FORMAT[schema.format ?? ''] ?? EXAMPLES[name];
  if (schema.example === undefined && !schema.enum && example !== undefined && name !== PRESENT) schema.example = example;
}

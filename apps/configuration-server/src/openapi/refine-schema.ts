/** A member of a DTO class, or a parameter, as @nestjs/swagger describes it. */
export interface Schema {
  type?: string | readonly string[];
  format?: string;
  example?: unknown;
  examples?: readonly unknown[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Record<string, Schema>;
}

/** The only numbers of the API with a fraction. */
const NON_INTEGER_NAMES = new Set(['cpuPercent']);
/** Marks a member as a timestamp in its comment. */
const DATE_TIME_DESCRIPTION = /RFC 3339/;
const UUID_NAME = /^(id|hostId|planId|keyId|passphraseId|enrolmentId|siteId|requestId)$/;
const INT64_NAME = /(Bytes|BytesPerSecond|BytesPerDay|Ms)$/;

/** Examples of members without one of their own. */
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
const EXAMPLES_BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2026-11-23T09:00:00.000Z',
  uuid: '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10',
};

/** Without an example, Swagger UI sends the current time: any other time would be a clock skew. */
const NO_EXAMPLE_FIELD = 'sentAt';

/** Adds what the member's name and comment imply and TypeScript's types cannot express: integers, timestamps, UUIDs and examples. */
export function refineSchema(name: string, schema: Schema): void {
  const types = [schema.type ?? []].flat();
  const isText = types.includes('string');
  if (types.includes('number') && !NON_INTEGER_NAMES.has(name)) {
    schema.type = Array.isArray(schema.type) ? types.map((type) => (type === 'number' ? 'integer' : type)) : 'integer';
    if (INT64_NAME.test(name) || name === 'generation') schema.format = 'int64';
  }
  if (isText && DATE_TIME_DESCRIPTION.test(schema.description ?? '')) schema.format = 'date-time';
  if (isText && UUID_NAME.test(name)) schema.format = 'uuid';
  const {
    example = schema.enum || name === NO_EXAMPLE_FIELD
      ? undefined
      : (EXAMPLES_BY_FORMAT[schema.format ?? ''] ?? EXAMPLES[name]),
  } = schema;
  delete schema.example;
  if (example !== undefined) schema.examples = [example];
}

import { readFileSync } from 'node:fs';

export interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly nullable?: boolean;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly example?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly schema: Schema;
}

/** What an operation may answer with one status: a body of this schema, or a problem with one of these codes. */
interface StatedAnswer {
  readonly mediaTypes: readonly string[];
  readonly schema: Schema | null;
  readonly codes: readonly string[];
}

export interface Operation {
  /** E.g. `PUT /v1/process-servers/{hostId}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly permission: string;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | null;
  readonly answers: ReadonlyMap<number, StatedAnswer>;
  readonly pattern: RegExp;
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, StatedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

interface StatedOperation {
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as Document;

/** A schema as it is meant, whichever way the document says it. */
export function plain(schema: Schema): Schema {
  const { $ref, allOf = [], ...own } = schema;
  const named = $ref ? document.components.schemas[$ref.slice('#/components/schemas/'.length)] : undefined;
  return [...(named ? [named] : []), ...allOf].map(plain).reduceRight<Schema>(
    (all, part) => ({ ...part, ...all, properties: { ...part.properties, ...all.properties }, required: [...(part.required ?? []), ...(all.required ?? [])] }),
    own,
  );
}

function answerOf({ content = {} }: Content): StatedAnswer {
  const [media] = Object.values(content);
  const code = media && plain(media.schema).properties?.['code'];
  return { mediaTypes: Object.keys(content), schema: media?.schema ?? null, codes: 'application/problem+json' in content ? (code?.enum ?? []) : [] };
}

export const OPERATIONS: readonly Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { description, parameters = [], requestBody, responses }]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    permission: /^Permission: (\w+)\./.exec(description)?.[1] ?? 'unknown',
    parameters,
    body: requestBody?.content?.['application/json']?.schema ?? null,
    answers: new Map(Object.entries(responses).map(([status, content]) => [Number(status), answerOf(content)])),
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/?#]+)')}(\\?[^#]*)?$`),
  })),
);

const UNRESERVED = /%(2[de]|3\d|[46][1-9a-f]|[57]\d|5f|[57]a|7e)/gi;
const unescaped = (target: string): string => target.replace(UNRESERVED, (escape) => decodeURIComponent(escape));

/** The operation that a request reaches for sure, HEAD that of GET; null for a path or method that the document does not name. */
export const operationOf = (method: string, target: string): Operation | null => OPERATIONS.find((one) => one.method === (method === 'HEAD' ? 'GET' : method) && one.pattern.test(unescaped(target))) ?? null;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Where a value is not what the document promises; null when it is. */
export function shapeFault(stated: Schema, value: unknown, where = 'body'): string | null {
  const schema = plain(stated);
  if (value === null) return schema.nullable ? null : `${where} is null`;
  if (schema.enum && !schema.enum.includes(String(value))) return `${where} is ${JSON.stringify(value)}, which the document does not name`;
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string') return `${where} is no text`;
      if (schema.format === 'uuid' && !UUID.test(value)) return `${where} is no UUID: ${value}`;
      return schema.format === 'date-time' && !INSTANT.test(value) ? `${where} is no instant: ${value}` : null;
    case 'integer':
      return Number.isSafeInteger(value) ? null : `${where} is no integer: ${JSON.stringify(value)}`;
    case 'number':
      return typeof value === 'number' ? null : `${where} is no number`;
    case 'boolean':
      return typeof value === 'boolean' ? null : `${where} is neither true nor false`;
    case 'array':
      if (!Array.isArray(value)) return `${where} is no list`;
      return firstFault(value.map((item, index) => shapeFault(schema.items ?? {}, item, `${where}[${index}]`)));
    case 'object':
      return objectFault(schema, value as Record<string, unknown>, where);
    default:
      return null;
  }
}

function objectFault({ properties = {}, required = [], additionalProperties = false }: Schema, value: Record<string, unknown>, where: string): string | null {
  if (typeof value !== 'object' || Array.isArray(value)) return `${where} is no object`;
  const missing = required.find((name) => !(name in value));
  if (missing !== undefined) return `${where}.${missing} is missing`;
  return firstFault(
    Object.entries(value).map(([name, member]) => {
      const schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (schema) return shapeFault(schema, member, `${where}.${name}`);
      return additionalProperties ? null : `${where}.${name} is not in the document`;
    }),
  );
}

const firstFault = (faults: readonly (string | null)[]): string | null => faults.find((fault) => fault !== null) ?? null;

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

/** The response of an operation with one status: a problem with one of these codes. */
interface StatedResponse {
  readonly codes: readonly string[];
}

export interface Operation {
  /** For example `PUT /v1/process-servers/{hostId}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly permission: string;
  readonly parameters: readonly Parameter[];
  readonly body: Schema | null;
  readonly responses: ReadonlyMap<number, StatedResponse>;
  readonly pattern: RegExp;
}

interface Content {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, StatedOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Content>>;
  };
}

interface StatedOperation {
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
}

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as Document;

interface StatedSchema extends Omit<Schema, 'type' | 'example'> {
  readonly type?: Schema['type'] | readonly (Schema['type'] | 'null')[];
  readonly anyOf?: readonly StatedSchema[];
  readonly examples?: readonly unknown[];
}

/** Resolves references and unifies the notations of the document. */
export function plain(schema: Schema): Schema {
  const { $ref, allOf = [], anyOf = [], type, examples, ...rest } = schema as StatedSchema;
  const types = [type ?? [], anyOf.map((part) => part.type ?? [])].flat(2);
  const [kind] = types.filter((each) => each !== 'null');
  const own: Schema = {
    ...rest,
    ...(kind && { type: kind }),
    ...(examples && { example: examples[0] }),
    ...(types.includes('null') && { nullable: true }),
  };
  const reference = $ref ?? anyOf[0]?.$ref;
  const named = reference ? document.components.schemas[reference.slice('#/components/schemas/'.length)] : undefined;
  return [...(named ? [named] : []), ...allOf].map(plain).reduceRight<Schema>(
    (all, part) => ({
      ...part,
      ...all,
      properties: { ...part.properties, ...all.properties },
      required: [...(part.required ?? []), ...(all.required ?? [])],
    }),
    own,
  );
}

function responseOf(stated: Content): StatedResponse {
  const { content = {} } = document.components.responses[stated.$ref?.split('/').at(-1) ?? ''] ?? stated;
  const [media] = Object.values(content);
  const code = media && plain(media.schema).properties?.['code'];
  return { codes: 'application/problem+json' in content ? (code?.enum ?? []) : [] };
}

export const OPERATIONS: readonly Operation[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { description, parameters = [], requestBody, responses }]) => ({
    name: `${method.toUpperCase()} ${path}`,
    method: method.toUpperCase(),
    path,
    permission: /^Permission: (\w+)\./.exec(description)?.[1] ?? 'unknown',
    parameters,
    body: requestBody?.content?.['application/json']?.schema ?? null,
    responses: new Map(Object.entries(responses).map(([status, content]) => [Number(status), responseOf(content)])),
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '([^/?#]+)')}(\\?[^#]*)?$`),
  })),
);

const UNRESERVED = /%(2[de]|3\d|[46][1-9a-f]|[57]\d|5f|[57]a|7e)/gi;
const unescaped = (target: string): string => target.replace(UNRESERVED, (escape) => decodeURIComponent(escape));

/** The operation that serves the request, for HEAD that of GET; null for a path or method without a documented operation. */
export const operationOf = (method: string, target: string): Operation | null =>
  OPERATIONS.find(
    (one) => one.method === (method === 'HEAD' ? 'GET' : method) && one.pattern.test(unescaped(target)),
  ) ?? null;

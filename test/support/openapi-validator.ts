import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { OPENAPI_FILE } from '../../apps/configuration-server/src/openapi/openapi-file.js';

interface Media {
  readonly schema?: object;
}
interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, Media>>;
}
interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, Response>> }>>>
  >;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly responses: Readonly<Record<string, Response>>;
  };
}

/** Stricter than the formats of JSON Schema: the server writes timestamps and UUIDs in exactly one form. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NO_TIMESTAMP = '^(?!\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d)';

const SCHEMAS = '#/components/schemas/';

/** Closes the schemas: a response has no undocumented member, and no timestamp in a field without that format. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  const { $ref, type, format, enum: choices } = members;
  if (typeof $ref === 'string' && $ref.startsWith(SCHEMAS)) return { $ref: $ref.slice(SCHEMAS.length) };
  const isText = [type].flat().includes('string') && format === undefined && choices === undefined;
  return isText ? { pattern: NO_TIMESTAMP, ...members } : members;
}

const document = closed(JSON.parse(readFileSync(OPENAPI_FILE, 'utf8'))) as Document;

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
addFormats.default(ajv);
ajv
  .addFormat('date-time', TIMESTAMP)
  .addFormat('uuid', UUID)
  .addFormat('int64', { type: 'number', validate: Number.isSafeInteger });
for (const [name, schema] of Object.entries(document.components.schemas))
  ajv.addSchema({ additionalProperties: false, ...schema }, name);

const OPERATIONS = Object.entries(document.paths).map(([path, methods]) => ({
  path,
  methods,
  pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/?#]+')}$`),
}));

export interface DocumentedResponse {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** The difference between a response and the document; null if there is none, or if the operation is not documented. */
export function findOpenApiViolation({ method, target, status, contentType, text }: DocumentedResponse): string | null {
  const [path = ''] = target.split(/[?#]/, 1);
  const known = OPERATIONS.find(({ pattern, methods }) => pattern.test(path) && method.toLowerCase() in methods);
  if (!known) return null;
  const name = `${method} ${known.path}`;
  const documented = known.methods[method.toLowerCase()]?.responses[status];
  if (!documented) return `the document has no ${status} for ${name}`;
  const shared = documented.$ref?.split('/').at(-1);
  const { content } = shared === undefined ? documented : (document.components.responses[shared] ?? {});
  if (!content) return text === '' ? null : `${status} of ${name} with a body: ${text.slice(0, 200)}`;
  const [type = ''] = contentType.split(';', 1);
  const schema = content[type]?.schema;
  if (!schema) return `${status} of ${name} as ${contentType}`;
  if (!/[/+]json$/.test(type)) return null;
  const validate = ajv.compile(schema); // cached by Ajv
  return validate(parsed(text)) ? null : `${status} of ${name}: ${ajv.errorsText(validate.errors)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

import { hasRetryAfter, PROBLEM_CODES, PROBLEMS, problemType, type ProblemCode } from '@app/api-contract';
import { findOpenApiViolation } from '../support/openapi-validator.js';
import type { Operation } from './contract.js';
import type { FuzzResponse, FuzzRequest } from './fuzz-request.js';
import { heartbeatRuleViolation } from './heartbeat-rule.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** JSON has no line breaks, so the pattern matches a stack frame as V8 formats it: name, file, line and column. */
const STACK_TRACE = /\bat (\S+ ){1,3}\(\S+:\d+:\d+\)|\bat file:|node:internal|node_modules/;
/** Matches the server's statements and the database's messages, but no text of the requests. */
const SQL_WORDS =
  /\b(SELECT \w+\.|INSERT INTO|DELETE FROM|UPDATE \w+ AS|FOR UPDATE|ER_[A-Z]+_|SQLSTATE|SQL syntax|Duplicate entry|Deadlock found|FOREIGN KEY|utf8mb4|InnoDB|ECONN[A-Z]+)/;
export const SECRET = /psc_[\w-]{60,}|csk_[\w-]{43}|\b([A-Z2-9]{5}-){5}[A-Z2-9]{5}\b/g;
/** The only secret that a response may contain, because the call has just created it. */
const SHOWN_ONCE: Readonly<Record<string, string>> = {
  'PUT /v1/process-servers/{hostId}': 'credential',
  'POST /v1/api-keys': 'key',
};

/** The violations of the contract in a response. */
export function responseViolations(
  request: FuzzRequest,
  response: FuzzResponse,
  operation: Operation | null,
): string[] {
  const { method } = request;
  const { status, headers, text } = response;
  if (status >= 500) return [`a 5xx: ${status} ${text}`];
  const intrusion = operation && status < 400 ? intrusionBy(request, operation) : null;
  if (intrusion) return [intrusion];
  if (method === 'HEAD') return text === '' ? [] : ['a response to HEAD has a body'];
  const violations: (string | null)[] = [
    status >= 400 ? problemViolation(response, operation) : successViolation(response),
  ];
  const contentType = String(headers['content-type'] ?? '');
  if (operation)
    violations.push(
      findOpenApiViolation({ method: operation.method, target: operation.path, status, contentType, text }),
      heartbeatRuleViolation(request, response, operation),
      ...leaks(text, operation, status),
    );
  else if (status >= 400) violations.push(...leaks(text, null, status));
  if (!UUID.test(String(headers['x-request-id'])))
    violations.push(`no x-request-id: ${String(headers['x-request-id'])}`);
  return violations.filter((violation) => violation !== null);
}

/** The unauthorised access that an accepted call shows; null if it was authorised. */
function intrusionBy(
  { permissions, isRetired, credentialOf, target, caller }: FuzzRequest,
  { permission, name }: Operation,
): string | null {
  if (permission === 'anyone' || permission === 'metrics') return null;
  if (!permissions.includes(permission)) return `${name} accepted the unauthorised caller ${caller}`;
  if (!credentialOf) return null;
  if (isRetired) return `${name} accepted a credential that was replaced, revoked or purged`;
  return target.toLowerCase().includes(credentialOf.hostId) ? null : `${name} accepted a credential of another host id`;
}

function problemViolation({ status, headers, text }: FuzzResponse, operation: Operation | null): string | null {
  if (headers['content-type'] !== 'application/problem+json; charset=utf-8')
    return `${status} as ${String(headers['content-type'])}: ${text.slice(0, 200)}`;
  const problem = parsed(text) as Record<string, unknown> | undefined;
  if (typeof problem !== 'object' || problem === null)
    return `${status} with a body that is not JSON: ${text.slice(0, 200)}`;
  const code = problem['code'] as ProblemCode;
  if (!PROBLEM_CODES.includes(code)) return `an unknown code: ${text}`;
  const { title, status: belonging } = PROBLEMS[code];
  if (belonging !== status || problem['status'] !== status)
    return `${code} with status ${status} and ${String(problem['status'])}`;
  if (problem['type'] !== problemType(code) || problem['title'] !== title)
    return `type or title of another problem: ${text}`;
  if (problem['requestId'] !== headers['x-request-id'])
    return `another requestId in the body than in the header: ${text}`;
  if (hasRetryAfter(code) !== 'retry-after' in headers)
    return `${code} ${'retry-after' in headers ? 'with' : 'without'} retry-after`;
  if ((status === 405) !== 'allow' in headers) return `${code} ${'allow' in headers ? 'with' : 'without'} allow`;
  if (!operation) return null;
  const stated = operation.responses.get(status);
  return stated?.codes.includes(code) ? null : `the document has no ${status} ${code} for ${operation.name}`;
}

function successViolation({ status, headers, text }: FuzzResponse): string | null {
  const contentType = String(headers['content-type'] ?? '');
  if (contentType && !contentType.endsWith('; charset=utf-8')) return `${status} as ${contentType}`;
  return contentType.startsWith('application/json') && parsed(text) === undefined
    ? `${status} with a body that is not JSON`
    : null;
}

function leaks(text: string, operation: Operation | null, status: number): string[] {
  const secrets = text.match(SECRET) ?? [];
  const own = operation && status < 300 ? SHOWN_ONCE[operation.name] : undefined;
  const allowed = own === undefined ? [] : [(parsed(text) as Record<string, string>)[own]];
  const shown = secrets.filter((secret) => !allowed.includes(secret));
  return [
    ...(shown.length > 0 ? [`a secret is shown: ${text.slice(0, 400)}`] : []),
    ...(STACK_TRACE.test(text) ? [`a stack trace is shown: ${text.slice(0, 400)}`] : []),
    ...(SQL_WORDS.test(text) ? [`SQL is shown: ${text.slice(0, 400)}`] : []),
  ];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

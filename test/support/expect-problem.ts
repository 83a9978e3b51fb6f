import { expect } from '@jest/globals';
import { hasRetryAfter, PROBLEMS, problemType, type ProblemCode } from '@app/api-contract';
import type { TestResponse } from './test-cluster.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MEMBERS = ['type', 'title', 'status', 'detail', 'code', 'requestId'];
const OPTIONAL_MEMBERS = ['instruction', 'errors', 'heartbeatIntervalSeconds'];

/** Expects this problem in full: status, media type, every member, the request id in the header, and Retry-After. */
export function expectProblem({ status, body, headers }: TestResponse<object>, code: ProblemCode): void {
  const problem = body as Record<string, unknown>;
  expect({ status, code: problem['code'], detail: problem['detail'] }).toEqual({
    status: PROBLEMS[code].status,
    code,
    detail: expect.stringMatching(/\S/),
  });
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(problem).toMatchObject({ type: problemType(code), title: PROBLEMS[code].title, status });
  expect(problem['requestId']).toMatch(UUID);
  expect(headers['x-request-id']).toBe(problem['requestId']);
  expect(Object.keys(problem).filter((member) => !OPTIONAL_MEMBERS.includes(member))).toEqual(MEMBERS);
  if (hasRetryAfter(code)) expect(String(headers['retry-after'])).toMatch(/^[1-9]\d*$/);
  else expect(headers['retry-after']).toBeUndefined();
  if (status === 429) {
    expect(headers['ratelimit-policy']).toMatch(/^"[a-z-]+";q=\d+;w=\d+$/);
    expect(headers['ratelimit']).toMatch(/^"[a-z-]+";r=\d+;t=[1-9]\d*$/);
    const resetSeconds = Number(/t=(\d+)$/.exec(String(headers['ratelimit']))?.[1]);
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(resetSeconds);
  }
  if (status === 405) expect(headers['allow']).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  if (status === 401) expect(headers['www-authenticate']).toMatch(/^(Bearer|Passphrase, Enrolment(, Bearer)?)$/);
}

/** Parses a response from a raw socket. */
export function parseResponse(text: string): TestResponse {
  const [head = '', body = ''] = text.split(/\r\n\r\n/);
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  return {
    status: Number(statusLine.split(' ')[1]),
    headers,
    body: JSON.parse(body || 'null') as Record<string, unknown>,
  };
}

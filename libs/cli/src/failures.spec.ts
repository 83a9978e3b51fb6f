import { describe, expect, it } from '@jest/globals';
import { ApiProblemError, UnexpectedResponseError } from '@app/api-client';
import { PROBLEMS, type ProblemCode } from '@app/api-contract';
import { CliError, usageError } from './cli-error.js';
import { EXIT_CODES } from './exit-codes.js';
import { failureOf } from './failures.js';

const URL = 'https://cs.example:8443';

const problemOf = (code: ProblemCode, retryAfterSeconds: number | null = null): ApiProblemError =>
  new ApiProblemError(
    { type: 'urn:x', ...PROBLEMS[code], detail: 'the detail', code, requestId: 'req-1' },
    retryAfterSeconds,
  );

describe('failureOf', () => {
  it.each<[ProblemCode, number]>([
    ['validation_failed', EXIT_CODES.usage],
    ['api_key_rejected', EXIT_CODES.secretNotAccepted],
    ['credential_revoked', EXIT_CODES.secretNotAccepted],
    ['authentication_attempts_exceeded', EXIT_CODES.secretNotAccepted],
    ['permission_denied', EXIT_CODES.refused],
    ['process_server_connected', EXIT_CODES.refused],
    ['plan_expired', EXIT_CODES.refused],
    ['expiry_not_in_future', EXIT_CODES.refused],
    ['process_server_not_found', EXIT_CODES.notFound],
    ['database_unavailable', EXIT_CODES.unreachable],
    ['request_rate_exceeded', EXIT_CODES.failed],
    ['internal_error', EXIT_CODES.failed],
  ])('ends with the exit code of %s', (code, exitCode) => {
    expect(failureOf(problemOf(code), URL).exitCode).toBe(exitCode);
  });

  it('has a non-zero exit code for every problem code', () => {
    for (const code of Object.keys(PROBLEMS) as ProblemCode[])
      expect(failureOf(problemOf(code), URL).exitCode).toBeGreaterThan(0);
  });

  it('shows title, detail, invalid fields, code, request id and advice', () => {
    const problem = {
      ...problemOf('validation_failed').problem,
      errors: [{ field: 'reason', message: 'reason must not be empty' }],
    };
    expect(failureOf(new ApiProblemError(problem, null), URL, { validation_failed: 'Correct it.' }).lines).toEqual([
      'The request has invalid fields.',
      '  the detail',
      '  reason: reason must not be empty',
      '  code: validation_failed   request id: req-1',
      'What to do: Correct it.',
    ]);
  });

  it('names the pause of a response with Retry-After', () => {
    expect(failureOf(problemOf('request_rate_exceeded', 7), URL).lines.at(-1)).toBe('What to do: Retry after 7 s.');
  });

  it.each<[string, number, RegExp]>([
    ['ECONNREFUSED', EXIT_CODES.unreachable, /nothing listens at this address \(ECONNREFUSED\)/],
    ['ENOTFOUND', EXIT_CODES.unreachable, /name is unknown/],
    ['ETIMEDOUT', EXIT_CODES.unreachable, /no response in time/],
    ['UND_ERR_CONNECT_TIMEOUT', EXIT_CODES.unreachable, /no connection in time/],
    ['HPE_INVALID_CONSTANT', EXIT_CODES.unreachable, /no HTTP/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', EXIT_CODES.unreachable, /certificate is not accepted/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', EXIT_CODES.unreachable, /certificate is not accepted/],
    ['CERT_HAS_EXPIRED', EXIT_CODES.unreachable, /certificate is not accepted/],
    ['ENOSPC', EXIT_CODES.failed, /Failed: it failed/],
  ])('explains an error with the code %s', (code, exitCode, text) => {
    const failure = failureOf(Object.assign(new Error('it failed'), { code }), URL);
    expect(failure.exitCode).toBe(exitCode);
    expect(failure.lines.join('\n')).toMatch(text);
  });

  it('finds the code in an aggregate error and in a cause', () => {
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    expect(failureOf(new AggregateError([refused]), URL).exitCode).toBe(EXIT_CODES.unreachable);
    expect(failureOf(new TypeError('fetch failed', { cause: refused }), URL).exitCode).toBe(EXIT_CODES.unreachable);
  });

  it('ends with 130 after an abort', () => {
    expect(failureOf(new DOMException('aborted', 'AbortError'), URL).exitCode).toBe(EXIT_CODES.interrupted);
  });

  it('tells a foreign response from a configuration server', () => {
    const failure = failureOf(new UnexpectedResponseError(200), URL);
    expect(failure.exitCode).toBe(EXIT_CODES.failed);
    expect(failure.lines[0]).toContain(`${URL} answered with status 200`);
  });

  it('keeps the exit code of an error of the program', () => {
    expect(failureOf(new CliError(EXIT_CODES.configuration, 'no context'), null)).toEqual({
      exitCode: 78,
      lines: ['no context'],
    });
    expect(failureOf(usageError('missing HOST', 'csctl show'), null).lines[1]).toContain('"csctl show --help"');
  });
});

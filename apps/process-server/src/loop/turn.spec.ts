import { describe, expect, it } from '@jest/globals';
import { ApiProblemError } from '@app/api-client';
import type { ProblemResponse } from '@app/api-contract';
import type { AgentState } from '../state/agent-state.js';
import { afterAcceptance, afterFailure } from './turn.js';

const STATE = {
  connection: { url: 'https://cs.example.net:443', proxy: null },
  isRegistering: false,
} as AgentState;
const NOW = new Date('2026-11-29T00:00:00Z');

const after = (error: unknown, state: Partial<AgentState> = {}, failures = 1) =>
  afterFailure(error, { state: { ...STATE, ...state }, failures, intervalSeconds: 30, random: 0.5, now: NOW });
const problem = (status: number, code: string, instruction?: string, retryAfterSeconds: number | null = null) =>
  new ApiProblemError(
    { status, code, detail: `because ${code}`, title: code, instruction } as ProblemResponse,
    retryAfterSeconds,
  );
const failed = (code: string) => Object.assign(new Error(code), { code });

describe('after a rejection', () => {
  it.each([
    ['database_unavailable', 503, 'retry', 3, { pauseMs: 3_000, mustRegister: false }],
    ['process_server_not_found', 404, 'reregister', null, { pauseMs: 0, mustRegister: true }],
    ['credential_revoked', 401, 'reregister', null, { pauseMs: 0, mustRegister: true }],
    ['generation_retired', 410, 'ask_operator', null, { pauseMs: 114_000, mustRegister: false, ending: null }],
    ['passphrase_rejected', 401, 'ask_operator', null, { pauseMs: 114_000, mustRegister: false }],
    ['version_not_exact', 422, 'upgrade', null, { pauseMs: 114_000, mustRegister: false }],
    ['something_new', 418, 'dance', null, { pauseMs: 500, mustRegister: false }],
    ['validation_failed', 400, undefined, null, { pauseMs: 500, mustRegister: false }],
  ])('%s (%d) with %s', (code, status, instruction, retryAfter, consequence) => {
    expect(after(problem(status, code, instruction, retryAfter))).toMatchObject(consequence);
  });

  it.each([
    ['generation_retired', 410, 'decommissioned'],
    ['generation_superseded', 409, 'stopped'],
  ])('%s with the instruction to stop ends the agent', (code, status, kind) => {
    expect(after(problem(status, code, 'stop')).ending).toEqual({
      kind,
      code,
      message: `because ${code}`,
      at: NOW.toISOString(),
      removeBy: null,
    });
  });

  it('registers again if its own registration, whose response was lost, replaced it', () => {
    const consequence = after(problem(409, 'generation_superseded', 'stop'), { isRegistering: true });
    expect(consequence).toMatchObject({ mustRegister: true, ending: null });
  });

  it('does not register again after a purge, even if a registration was interrupted', () => {
    const consequence = after(problem(410, 'generation_retired', 'ask_operator'), { isRegistering: true });
    expect(consequence).toMatchObject({ mustRegister: false, response: { instruction: 'ask_operator' } });
  });
});

describe('after a failed connection', () => {
  it.each([
    [failed('ENOTFOUND'), 'name_resolution', 6],
    [failed('ECONNREFUSED'), 'port', 6],
    [new AggregateError([failed('ECONNREFUSED')]), 'port', 6],
    [failed('SELF_SIGNED_CERT_IN_CHAIN'), 'tls_chain', 6],
    [failed('ERR_TLS_CERT_ALTNAME_INVALID'), 'tls_name', 6],
    [failed('CERT_HAS_EXPIRED'), 'tls_date', 6],
    [new Error('Proxy response (407) !== 200 when HTTP Tunneling'), 'proxy_authentication', 4],
    [new Error('Proxy response (403) !== 200 when HTTP Tunneling'), 'proxy_rejected', 6],
  ])('%p is %s with exit code %d, and is retried', (error, code, exitCode) => {
    const proxy = { address: 'proxy', port: 3128, login: null };
    const connection = { ...STATE.connection, ...(code.startsWith('proxy') && { proxy }) };
    expect(after(error, { connection })).toMatchObject({
      pauseMs: 500,
      response: { code, exitCode, instruction: 'retry' },
    });
  });

  it('says that the proxy is away instead of the configuration server', () => {
    const connection = { ...STATE.connection, proxy: { address: 'proxy', port: 3128, login: null } };
    expect(after(failed('ECONNREFUSED'), { connection }).response.code).toBe('proxy_unreachable');
  });
});

it('after an accepted heartbeat, the next one follows within the assigned interval', () => {
  expect(afterAcceptance('none', '', { now: NOW, random: 0.5 }, 30)).toMatchObject({
    pauseMs: 28_500,
    mustRegister: false,
  });
  expect(afterAcceptance('upgrade', '', { now: NOW, random: 0 }, 30).response).toMatchObject({
    code: 'accepted',
    instruction: 'upgrade',
    exitCode: 0,
  });
});

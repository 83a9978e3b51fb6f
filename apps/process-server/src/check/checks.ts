import { ApiProblemError } from '@app/api-client';
import { EXIT_CODES, failureOf, type ExitCode } from '@app/cli';
import type { FindingDto } from '@app/api-contract';
import { readFacts } from '../facts/machine.js';
import { AgentError } from '../output/agent-error.js';
import type { AgentState } from '../state/agent-state.js';
import { explainError } from '../transport/failure.js';
import { openClient } from '../transport/open-client.js';
import { registrationSecret } from '../transport/secrets.js';

/** In the order in which a call passes them. */
export const CHECK_NAMES = ['name', 'port', 'proxy', 'tls', 'secret', 'version', 'clock', 'registration'] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

export interface CheckResult {
  readonly check: CheckName;
  readonly state: 'passed' | 'warning' | 'failed' | 'not_checked';
  /** The stable name of the cause; null if it passed. */
  readonly code: string | null;
  readonly message: string | null;
  readonly advice: string | null;
}

export interface Checks {
  readonly results: readonly CheckResult[];
  readonly exitCode: ExitCode;
  /** The error of the first failed check; null if none failed. */
  readonly error: unknown;
}

const CHECK_OF_CAUSE: Readonly<Record<string, CheckName>> = {
  name_resolution: 'name',
  port: 'port',
  proxy_unreachable: 'proxy',
  proxy_authentication: 'proxy',
  proxy_rejected: 'proxy',
  tls_chain: 'tls',
  tls_name: 'tls',
  tls_date: 'tls',
  tls_protocol: 'tls',
  secret_missing: 'secret',
  passphrase_rejected: 'secret',
  authentication_attempts_exceeded: 'secret',
  version_newer_than_configuration_server: 'version',
  version_not_exact: 'version',
  version_not_supported: 'version',
  clock_in_future: 'clock',
  clock_skew: 'clock',
};
const ADVICE: Partial<Record<CheckName, string>> = {
  secret: 'Copy the current passphrase of the configuration server into the file of --passphrase-file.',
  version:
    'Install a version of the agent that the configuration server supports: its own, or up to four minors older.',
  clock: 'Correct the clock of this machine (timedatectl set-ntp true).',
};

const ENROLMENT_ADVICE = 'Have a new enrolment created, and name its file with --vault-creds-file.';

const isOfEnrolment = (code: string): boolean => code.startsWith('enrolment_');

const adviceFor = (code: string): string | null =>
  isOfEnrolment(code) ? ENROLMENT_ADVICE : (ADVICE[checkOf(code)] ?? null);

const checkOf = (code: string): CheckName =>
  isOfEnrolment(code) ? 'secret' : (CHECK_OF_CAUSE[code] ?? 'registration');

/** Asks the configuration server what a registration would find. Nothing is written on either side. */
export async function runChecks(state: AgentState, environment: NodeJS.ProcessEnv): Promise<Checks> {
  try {
    const secret = await registrationSecret(state.connection, environment);
    const client = await openClient(state.connection);
    try {
      const { findings } = await client.preflight(state.hostId, secret, await readFacts(state));
      return ofFindings(findings);
    } finally {
      await client.close().catch(() => undefined);
    }
  } catch (error) {
    return ofError(explainError(error, state.connection));
  }
}

function ofFindings(findings: readonly FindingDto[]): Checks {
  const results = CHECK_NAMES.map((check): CheckResult => {
    const found = findings.filter(({ code }) => checkOf(code) === check);
    const worst = found.find(({ severity }) => severity === 'error') ?? found[0];
    if (!worst) return passed(check);
    return {
      check,
      state: worst.severity === 'error' ? 'failed' : 'warning',
      code: worst.code,
      message: found.map(({ message }) => message).join(' '),
      advice: adviceFor(worst.code),
    };
  });
  const failed = results.find(({ state }) => state === 'failed');
  if (!failed) return { results, exitCode: EXIT_CODES.ok, error: null };
  const error = new AgentError(EXIT_CODES.refused, failed.code ?? 'refused', failed.message ?? '', failed.advice);
  return { results, exitCode: error.exitCode, error };
}

/** The checks before the failed one have passed, those after it were not reached. */
function ofError(error: unknown): Checks {
  const code =
    error instanceof AgentError ? error.code : error instanceof ApiProblemError ? error.problem.code : 'failed';
  const failedCheck = checkOf(code);
  const { exitCode, lines } = failureOf(error, null);
  const message = error instanceof ApiProblemError ? error.problem.detail : (lines[0] ?? code);
  const advice = (error instanceof AgentError ? error.advice : null) ?? adviceFor(code);
  const failedAt = CHECK_NAMES.indexOf(failedCheck);
  // Anything else failed on this machine, before a call was made.
  const wasSent =
    error instanceof ApiProblemError || (Object.hasOwn(CHECK_OF_CAUSE, code) && code !== 'secret_missing');
  const results = CHECK_NAMES.map((check, index): CheckResult => {
    if (index < failedAt && wasSent) return passed(check);
    if (index === failedAt) return { check, state: 'failed', code, message, advice };
    return { check, state: 'not_checked', code: null, message: null, advice: null };
  });
  const named = error instanceof ApiProblemError ? new AgentError(exitCode, code, message, advice) : error;
  return { results, exitCode, error: named };
}

const passed = (check: CheckName): CheckResult => ({ check, state: 'passed', code: null, message: null, advice: null });

export const checkLine = ({ check, state, message, advice }: CheckResult): string =>
  `${check.padEnd(12)} ${state.replace('_', ' ')}${message ? `: ${message}` : ''}${advice && state !== 'passed' ? ` ${advice}` : ''}`;

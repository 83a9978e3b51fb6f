import { ApiProblemError, UnexpectedResponseError } from '@app/api-client';
import type { ProblemCode, ProblemResponse } from '@app/api-contract';
import { CliError } from './cli-error.js';
import { EXIT_CODES, type ExitCode } from './exit-codes.js';

/** What a program prints on stderr about an error, and the code with which it ends. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly lines: readonly string[];
}

/** Recommended action by problem code; `{retryAfter}` in a text stands for the pause that the response asks for. */
export type Advice = Readonly<Partial<Record<ProblemCode, string>>>;

/** The failure that an error means. `target` is the URL of the configuration server. */
export function failureOf(error: unknown, target: string | null, advice: Advice = {}): Failure {
  if (error instanceof CliError) return { exitCode: error.exitCode, lines: withAdvice([error.message], error.advice) };
  if (error instanceof ApiProblemError) return problemFailure(error, advice);
  if (error instanceof UnexpectedResponseError) {
    const lines = [
      `${target ?? 'The server'} answered with status ${error.status}, but not as a configuration server.`,
    ];
    return { exitCode: EXIT_CODES.failed, lines: withAdvice(lines, 'Check the address, and proxies in between.') };
  }
  const code = errorCode(error);
  if (code === 'ABORT_ERR') return { exitCode: EXIT_CODES.interrupted, lines: ['Interrupted.'] };
  const reason = connectionReason(code);
  if (reason === null) return { exitCode: EXIT_CODES.failed, lines: [`Failed: ${messageOf(error)}`] };
  return {
    exitCode: EXIT_CODES.unreachable,
    lines: withAdvice([`${target ?? 'The server'} cannot be reached: ${reason.text} (${code}).`], reason.advice),
  };
}

function problemFailure({ problem, retryAfterSeconds }: ApiProblemError, advice: Advice): Failure {
  const { title, detail, code, requestId, errors = [] } = problem;
  const pause = retryAfterSeconds === null ? null : `Retry after ${retryAfterSeconds} s.`;
  return {
    exitCode: exitCodeOf(problem),
    lines: withAdvice(
      [
        `${title}.`,
        ...(detail === title ? [] : [`  ${detail}`]),
        ...errors.map(({ field, message }) => `  ${field}: ${message}`),
        `  code: ${code}   request id: ${requestId}`,
      ],
      advice[code as ProblemCode] ?? pause,
    ),
  };
}

function exitCodeOf({ status, code }: ProblemResponse): ExitCode {
  if (status === 401 || code === 'authentication_attempts_exceeded') return EXIT_CODES.secretNotAccepted;
  if (status === 403 || status === 409 || status === 410 || status === 422) return EXIT_CODES.refused;
  if (status === 404) return EXIT_CODES.notFound;
  if (status === 400) return EXIT_CODES.usage;
  if (status === 503) return EXIT_CODES.unreachable;
  return EXIT_CODES.failed;
}

const withAdvice = (lines: readonly string[], advice: string | null): readonly string[] =>
  advice === null ? lines : [...lines, `What to do: ${advice}`];

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The code of an error, or of the first one within an AggregateError or a cause. */
export function errorCode(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  const { code, name, cause, errors } = error as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown };
  if (name === 'AbortError') return 'ABORT_ERR';
  if (typeof code === 'string') return code;
  return errorCode(Array.isArray(errors) ? errors[0] : cause);
}

interface Reason {
  readonly text: string;
  readonly advice: string;
}

const CHECK_SERVER = 'Check that the configuration server runs, and the address and port.';
const CHECK_NETWORK = 'Check the address, the network and firewalls in between.';
const REPEAT = 'Repeat the command: a change that was already made is not made twice.';
const CHECK_CERTIFICATE = 'Check that the certificate is for this address, and name its authority.';

const CONNECTION_REASONS: Readonly<Record<string, Reason>> = {
  ECONNREFUSED: { text: 'nothing listens at this address', advice: CHECK_SERVER },
  ECONNRESET: { text: 'the connection was lost', advice: REPEAT },
  EPIPE: { text: 'the connection was lost', advice: REPEAT },
  UND_ERR_SOCKET: { text: 'the connection was lost', advice: REPEAT },
  ETIMEDOUT: { text: 'no response in time', advice: CHECK_NETWORK },
  UND_ERR_CONNECT_TIMEOUT: { text: 'no connection in time', advice: CHECK_NETWORK },
  UND_ERR_HEADERS_TIMEOUT: { text: 'no response in time', advice: CHECK_NETWORK },
  UND_ERR_BODY_TIMEOUT: { text: 'no response in time', advice: CHECK_NETWORK },
  EHOSTUNREACH: { text: 'no route to this address', advice: CHECK_NETWORK },
  ENETUNREACH: { text: 'no route to this address', advice: CHECK_NETWORK },
  EADDRNOTAVAIL: { text: 'no route to this address', advice: CHECK_NETWORK },
  ENOTFOUND: { text: 'the name is unknown', advice: 'Check the name and the name server.' },
  EAI_AGAIN: { text: 'the name server does not respond', advice: 'Check the name server.' },
  EPROTO: { text: 'it does not speak TLS there', advice: 'Check whether the address is http or https.' },
};

function connectionReason(code: string | null): Reason | null {
  if (code === null) return null;
  if (Object.hasOwn(CONNECTION_REASONS, code)) return CONNECTION_REASONS[code] ?? null;
  if (code.startsWith('HPE_'))
    return { text: 'the response is no HTTP', advice: 'Check whether the address is http or https.' };
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL/.test(code))
    return { text: 'its TLS certificate is not accepted', advice: CHECK_CERTIFICATE };
  return null;
}

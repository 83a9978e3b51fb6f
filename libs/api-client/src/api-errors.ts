import type { ProblemResponse } from '@app/api-contract';

/** The configuration server rejected the call; the problem has the reason and, for a process server, the instruction. */
export class ApiProblemError extends Error {
  constructor(
    readonly problem: ProblemResponse,
    /** Null if a retry cannot succeed. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** The response is incomplete, or does not come from a configuration server. */
export class UnexpectedResponseError extends Error {
  constructor(readonly status: number) {
    super(`response with status ${status} does not conform to the API`);
  }
}

/** Facts of a response that decide whether its text is a result, a problem, or neither. */
export interface ResponseFacts {
  readonly status: number;
  readonly contentType: string;
  /** The header `retry-after`. */
  readonly retryAfter: string | undefined;
}

/** @throws ApiProblemError, UnexpectedResponseError. */
export function parseResponse<Result>({ status, contentType, retryAfter }: ResponseFacts, text: string): Result {
  const isJson = text.startsWith('{');
  if (contentType.startsWith('application/problem+json') && isJson)
    throw new ApiProblemError(parseJson<ProblemResponse>(status, text), Number(retryAfter ?? Number.NaN) || null);
  if (status < 200 || status > 299 || !isJson) throw new UnexpectedResponseError(status);
  return parseJson<Result>(status, text);
}

function parseJson<Result>(status: number, text: string): Result {
  try {
    return JSON.parse(text) as Result;
  } catch {
    throw new UnexpectedResponseError(status);
  }
}

import {
  ApiProblemError,
  heartbeatPauseMs,
  longestPauseMs,
  retryPauseMs,
  type ConfigurationServerClient,
} from '@app/api-client';
import { EXIT_CODES, failureOf } from '@app/cli';
import { AgentError } from '../output/agent-error.js';
import { causeOf, explainError } from '../transport/failure.js';
import type { AgentState, Ending, Registration } from '../state/agent-state.js';
import type { LastResponse } from './daemon-record.js';
import { instructionOf } from './instructions.js';

/** What follows from one call. */
export interface Consequence {
  readonly response: LastResponse;
  readonly pauseMs: number;
  /** The registration is no longer known to the configuration server, or its credential was revoked. */
  readonly mustRegister: boolean;
  /** The agent sends nothing more. */
  readonly ending: Ending | null;
}

export interface Circumstances {
  readonly state: AgentState;
  /** Consecutive failures, with this one. */
  readonly failures: number;
  readonly intervalSeconds: number | null;
  /** In [0, 1). */
  readonly random: number;
  readonly now: Date;
}

/** At most one registration a minute follows from instructions. */
export const REREGISTER_PAUSE_MS = 60_000;

/** After an accepted call. */
export function afterAcceptance(
  instruction: unknown,
  message: string,
  { now, random }: Pick<Circumstances, 'now' | 'random'>,
  intervalSeconds: number,
): Consequence {
  return {
    response: {
      at: now.toISOString(),
      code: 'accepted',
      instruction: instructionOf(true, instruction),
      message,
      advice: instruction === 'upgrade' ? 'Upgrade the agent: its version is no longer supported.' : null,
      exitCode: EXIT_CODES.ok,
    },
    pauseMs: heartbeatPauseMs(intervalSeconds, random),
    mustRegister: false,
    ending: null,
  };
}

/** After a rejection or a failed connection. */
export function afterFailure(error: unknown, circumstances: Circumstances): Consequence {
  const { state, failures, intervalSeconds, random, now } = circumstances;
  const explained = explainError(error, state.connection);
  const problem = explained instanceof ApiProblemError ? explained : null;
  const code = causeOf(explained);
  const given = instructionOf(false, problem?.problem.instruction);
  // The response to a registration was lost: its generation, which the agent does not know, has replaced this one.
  const isOwnReplacement = state.isRegistering && (code === 'generation_superseded' || code === 'credential_rejected');
  const instruction = isOwnReplacement ? 'reregister' : given;
  const { exitCode, lines } = failureOf(explained, null);
  const message = problem ? problem.problem.detail : (lines[0] ?? code);
  const response: LastResponse = {
    at: now.toISOString(),
    code,
    instruction,
    message,
    advice: adviceFor(explained, instruction),
    exitCode,
  };
  const base = { response, mustRegister: instruction === 'reregister', ending: null };
  switch (instruction) {
    case 'stop':
      return { ...base, pauseMs: 0, ending: endingOf(code, message, now) };
    case 'reregister':
      return { ...base, pauseMs: 0 };
    case 'ask_operator':
    case 'upgrade':
      return { ...base, pauseMs: longestPauseMs(intervalSeconds) * (1 - 0.1 * random) };
    case 'retry':
    case 'none': {
      const isFinal = explained instanceof AgentError && explained.exitCode === EXIT_CODES.configuration;
      const retryAfterSeconds = problem?.retryAfterSeconds ?? null;
      return {
        ...base,
        pauseMs: isFinal
          ? longestPauseMs(intervalSeconds)
          : retryPauseMs({ failures, intervalSeconds, retryAfterSeconds }, random),
      };
    }
  }
}

const endingOf = (code: string, message: string, now: Date): Ending => ({
  kind: code === 'generation_retired' ? 'decommissioned' : 'stopped',
  code,
  message,
  at: now.toISOString(),
  removeBy: null,
});

function adviceFor(error: unknown, instruction: string): string | null {
  if (error instanceof AgentError) return error.advice;
  if (instruction === 'ask_operator')
    return 'Ask the operator of the configuration server; afterwards run "process-server reregister".';
  if (instruction === 'upgrade') return 'Upgrade the agent.';
  return null;
}

/** The body of a heartbeat comes from the facts; the client only carries it. */
export type HeartbeatCall = (
  client: ConfigurationServerClient,
  registration: Registration,
) => ReturnType<ConfigurationServerClient['heartbeat']>;

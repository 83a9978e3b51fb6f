import { setTimeout as pause } from 'node:timers/promises';
import { ApiProblemError } from '@app/api-client';
import type { ProcessServerDetail } from '@app/api-contract';
import { CliError, errorCode, EXIT_CODES, interrupted } from '@app/cli';
import { findHost } from '../hosts.js';
import type { Invocation } from '../invocation.js';

const POLL_MS = 500;
const DEFAULT_TIMEOUT_SECONDS = 300;

interface Waited {
  readonly host: string;
  readonly state: string;
}

type Condition = (server: ProcessServerDetail | null) => boolean;

export async function run(invocation: Invocation): Promise<void> {
  const { printer, signal } = invocation;
  const host = invocation.argument(0) ?? '';
  const wanted = invocation.text('for') ?? '';
  const isTrue = conditionOf(invocation, wanted);
  const endsAt = performance.now() + (invocation.duration('timeout') ?? DEFAULT_TIMEOUT_SECONDS) * 1000;
  const watched = new WatchedHost(invocation, host);
  for (;;) {
    const server = await watched.read();
    if (server !== undefined && isTrue(server))
      return printer.document<Waited>(
        { host, state: stateOf(server) },
        { name: () => server?.hostId ?? host, lines: ({ state }) => [`${host}: ${state}`] },
      );
    if (server === null && wanted !== 'gone')
      throw new CliError(EXIT_CODES.notFound, `There is no process server "${host}".`);
    if (performance.now() >= endsAt) throw watched.timedOut(wanted);
    await pause(Math.min(POLL_MS, Math.max(0, endsAt - performance.now())), undefined, { signal }).catch(
      () => undefined,
    );
    if (signal.aborted) throw interrupted(`Interrupted: ${host} is ${watched.lastState}.`);
  }
}

/** @throws CliError if the text names no condition. */
function conditionOf(invocation: Invocation, wanted: string): Condition {
  if (wanted === 'gone') return (server) => server === null;
  if (wanted === 'connected') return (server) => server?.connectionState === 'Connected';
  if (wanted === 'disconnected') return (server) => server?.connectionState === 'Disconnected';
  const version = /^version=(\d+(?:\.\d+){3})$/.exec(wanted)?.[1];
  if (version !== undefined) return (server) => server?.agentVersion === version;
  throw invocation.usageError(`--for is "${wanted}", but must be connected, disconnected, gone or version=V.`);
}

const stateOf = (server: ProcessServerDetail | null): string => {
  if (server === null) return 'gone';
  const { lifecycle, connectionState, agentVersion } = server;
  return `${lifecycle === 'Decommissioned' ? lifecycle : connectionState}, version ${agentVersion}`;
};

/** Reads a process server until the end of the wait; changes of its state are printed. */
class WatchedHost {
  lastState = 'unknown';
  private hostId: string | null = null;
  private isAway = false;

  constructor(
    private readonly invocation: Invocation,
    private readonly host: string,
  ) {}

  /** @returns null if there is none, undefined if the server does not answer. */
  async read(): Promise<ProcessServerDetail | null | undefined> {
    const { terminal, signal } = this.invocation;
    try {
      // Found once by its name: another entry with that name must not take its place.
      const server = await findHost(this.invocation, this.hostId ?? this.host);
      this.hostId ??= server?.hostId ?? null;
      this.isAway = false;
      const state = stateOf(server);
      if (state !== this.lastState) terminal.say(`${this.host}: ${state}`);
      this.lastState = state;
      return server;
    } catch (error) {
      if (signal.aborted || !isTemporary(error)) throw error;
      if (!this.isAway) terminal.say('The server does not answer; trying again.');
      this.isAway = true;
      return undefined;
    }
  }

  timedOut(wanted: string): CliError {
    return this.isAway
      ? new CliError(EXIT_CODES.unreachable, `The server does not answer; ${this.host} was last ${this.lastState}.`)
      : new CliError(EXIT_CODES.waitTimedOut, `${this.host} is ${this.lastState}, not ${wanted}: the time is over.`);
  }
}

const isTemporary = (error: unknown): boolean =>
  error instanceof ApiProblemError
    ? error.problem.status >= 500
    : !(error instanceof CliError) && errorCode(error) !== null;

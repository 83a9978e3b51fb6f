import { setTimeout as pause } from 'node:timers/promises';
import { ApiProblemError, type ConfigurationServerClient } from '@app/api-client';
import { EXIT_CODES, interrupted, type ExitCode } from '@app/cli';
import { AgentError, usageError } from '../output/agent-error.js';
import type { AgentState, Ending, Registration } from '../state/agent-state.js';
import { withLockedState } from '../state/change-state.js';
import { explainError } from '../transport/failure.js';
import { openClient } from '../transport/open-client.js';
import type { Command, CommandContext } from './command.js';
import { installedState, notInstalled } from './prepare-state.js';
import { purgeAdvice } from './purge-advice.js';

const POLL_MS = 2_000;
/** After the announced removal. */
const PATIENCE_MS = 60_000;

/** Decommissions. Without the configuration server the wish is stored, and the daemon carries it out later. */
export const unregister: Command = async (context) => {
  const { line, printer } = context;
  const reason = line.values.get('reason') ?? null;
  if (line.values.has('force') && reason === null) throw usageError('--reason', '--force requires --reason.');
  const forceReason = line.values.has('force') ? reason : null;
  const state = await withLockedState(context.file, () => decommission(context, forceReason));
  const removeBy = state.ending?.removeBy ?? null;
  if (line.values.has('wait')) await untilGone(context, state);
  await printer.result({ hostId: state.hostId, state: line.values.has('wait') ? 'Gone' : 'Decommissioned', removeBy }, [
    line.values.has('wait')
      ? `The entry of ${state.hostId} is gone.`
      : `Unregistered ${state.hostId}. The entry is gone by ${removeBy ?? 'then'}.`,
  ]);
  return EXIT_CODES.ok;
};

async function decommission(context: CommandContext, forceReason: string | null): Promise<AgentState> {
  const { file, printer } = context;
  const state = await installedState(context);
  if (!state) throw notInstalled();
  if (!state.registration)
    throw new AgentError(
      EXIT_CODES.notFound,
      'not_registered',
      'This machine was never registered.',
      'Run "process-server reset" to remove the local state.',
    );
  if (state.ending?.kind === 'decommissioned') return state;
  try {
    const removeBy = await withClient(state, (client) => remove(client, state, state.registration!, forceReason));
    const message = 'This process server was unregistered.';
    const ending: Ending = {
      kind: 'decommissioned',
      code: 'unregistered',
      message,
      at: new Date().toISOString(),
      removeBy,
    };
    const ended = { ...state, ending, unregisterWish: null };
    await file.write(ended);
    return ended;
  } catch (error) {
    if (isFinal(error)) throw error;
    const since = state.unregisterWish?.since ?? new Date().toISOString();
    await file.write({ ...state, unregisterWish: { since, forceReason } });
    printer.progress('The wish is stored: "process-server run" repeats it until the configuration server accepts it.');
    printer.progress(purgeAdvice(state));
    throw error;
  }
}

/** Whether a repetition cannot succeed without a person. */
const isFinal = (error: unknown): boolean =>
  error instanceof ApiProblemError && error.problem.status < 500 && error.retryAfterSeconds === null;

/** The time by which the entry is gone; null if it is gone already. */
async function remove(
  client: ConfigurationServerClient,
  { hostId }: AgentState,
  { credential }: Registration,
  forceReason: string | null,
): Promise<string | null> {
  try {
    return (await client.unregister(hostId, credential, forceReason)).removeBy;
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

const isGone = (error: unknown): boolean =>
  error instanceof ApiProblemError && ['generation_retired', 'process_server_not_found'].includes(error.problem.code);

async function withClient<Result>(
  { connection }: AgentState,
  work: (client: ConfigurationServerClient) => Promise<Result>,
): Promise<Result> {
  const client = await openClient(connection);
  try {
    return await work(client);
  } catch (error) {
    throw explainError(error, connection);
  } finally {
    await client.close().catch(() => undefined);
  }
}

/** @throws AgentError after the announced time. A configuration server that cannot be reached meanwhile is waited for. */
async function untilGone({ printer, signal }: CommandContext, state: AgentState): Promise<void> {
  const { registration, ending } = state;
  if (!registration || !ending?.removeBy) return;
  printer.progress(`Waiting until the entry is gone, at the latest at ${ending.removeBy} ...`);
  const deadlineMs = Date.parse(ending.removeBy) + PATIENCE_MS;
  for (;;) {
    const isRemoved = await withClient(state, (client) => remove(client, state, registration, null)).then(
      (removeBy) => removeBy === null,
      (error: unknown) => {
        if (isFinal(error)) throw error;
        return false;
      },
    );
    if (isRemoved) return;
    if (Date.now() > deadlineMs)
      throw new AgentError(
        EXIT_CODES.waitTimedOut satisfies ExitCode,
        'wait_timed_out',
        'The entry is not gone yet.',
        'Run the command again.',
      );
    await pause(POLL_MS, undefined, { signal }).catch(() => {
      throw interrupted();
    });
  }
}

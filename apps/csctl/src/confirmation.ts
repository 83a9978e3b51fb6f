import type { ProcessServerDetail } from '@app/api-contract';
import { CliError, EXIT_CODES, interrupted } from '@app/cli';
import type { Invocation } from './invocation.js';

/** What a person sees of a process server before it is changed. */
export const described = ({ friendlyName, ipAddress, hostId }: ProcessServerDetail): string =>
  `${friendlyName} (${ipAddress}), host id ${hostId}`;

/**
 * Prints the server, and asks unless `--yes`.
 * @throws CliError if the answer is not yes, or nothing can be asked.
 */
export async function confirmChange(invocation: Invocation, question: string): Promise<void> {
  invocation.announceChange();
  if (invocation.flag('yes')) return;
  if (!invocation.terminal.isInteractive)
    throw invocation.usageError('Without a terminal, a change needs --yes: nothing was changed.');
  if (!(await invocation.terminal.confirm(question))) throw interrupted('Not confirmed: nothing was changed.');
  if (invocation.signal.aborted) throw interrupted('Interrupted: nothing was changed.');
}

/**
 * Reads the entry again after the answer of a person, who may have taken long.
 * @throws CliError if it registered again or sent a heartbeat since `seen` was read.
 */
export async function assertUnchanged(
  { client }: Invocation,
  seen: { readonly hostId: string; readonly generation: number; readonly lastHeartbeat: string | null },
): Promise<void> {
  const now = await client.processServer(seen.hostId);
  if (now.generation !== seen.generation)
    throw new CliError(
      EXIT_CODES.refused,
      `${described(now)} has registered again in between (generation ${now.generation}): nothing was removed.`,
      'Look at it: csctl show HOST',
    );
  if (now.lastHeartbeat !== seen.lastHeartbeat)
    throw new CliError(
      EXIT_CODES.refused,
      `${described(now)} sent a heartbeat in between, at ${now.lastHeartbeat}: nothing was removed.`,
      'It is alive. Look at it (csctl diagnose HOST), or decommission it.',
    );
}

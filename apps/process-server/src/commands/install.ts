import { statfs } from 'node:fs/promises';
import { EXIT_CODES } from '@app/cli';
import { checkLine, runChecks } from '../check/checks.js';
import { AgentError } from '../output/agent-error.js';
import { withLockedState } from '../state/change-state.js';
import { openStateFolder } from '../state/state-folder.js';
import { register, type Registered } from '../registration/register.js';
import type { Command, CommandContext } from './command.js';
import { preparedState } from './prepare-state.js';

const LEAST_FREE_BYTES = 5 * 2 ** 30;

/** Checks, then registers. Repeated, it registers again under the same host id. */
export const install: Command = async (context) => {
  const { file, printer } = context;
  await openStateFolder(file.folder);
  const registered = await withLockedState(file, () => checkAndRegister(context, { creates: true }));
  await printRegistered(context, registered);
  printer.progress('Heartbeats are sent by "process-server run", or by the service.');
  return EXIT_CODES.ok;
};

/** The caller holds the lock of the state. */
export async function checkAndRegister(
  context: CommandContext,
  { creates }: { readonly creates: boolean },
): Promise<Registered> {
  const { file, printer, environment, line } = context;
  const state = await preparedState(context, { creates });
  if (creates && !line.values.has('skip-space-check')) await assertSpace(state.machine.installLocation);
  printer.progress(`Checking the connection to ${state.connection.url} ...`);
  const { results, error } = await runChecks(state, environment);
  for (const result of results) printer.progress(`  ${checkLine(result)}`);
  if (error) throw error;
  printer.progress(`Registering host id ${state.hostId} ...`);
  return register(file, state, environment);
}

export async function printRegistered({ printer }: CommandContext, { state, response }: Registered): Promise<void> {
  const { generation, heartbeatIntervalSeconds, leaseSeconds, versionStatus, sizingClass, warnings } = response;
  const { hostId, connection } = state;
  await printer.result(
    {
      hostId,
      url: connection.url,
      generation,
      heartbeatIntervalSeconds,
      leaseSeconds,
      versionStatus,
      sizingClass,
      warnings,
    },
    [
      `Registered at ${connection.url}`,
      `  host id     ${hostId}`,
      `  generation  ${generation}`,
      `  version     ${versionStatus}`,
      `  size        ${sizingClass}`,
      ...warnings.map(({ message }) => `  warning     ${message}`),
    ],
  );
}

async function assertSpace(folder: string): Promise<void> {
  const { bsize, bavail } = await statfs(folder);
  if (bsize * bavail >= LEAST_FREE_BYTES) return;
  throw new AgentError(
    EXIT_CODES.refused,
    'space_low',
    `${folder} has ${((bsize * bavail) / 2 ** 30).toFixed(1)} GB free; at least 5 GB are needed, 600 GB are advised.`,
    'Name another folder with --install-location, or skip this check with --skip-space-check.',
  );
}

import { randomUUID } from 'node:crypto';
import { OptionReader } from '../command-line/values.js';
import { EXIT_CODES } from '@app/cli';
import { assertSameMachine, readMachineId } from '../facts/machine.js';
import { AgentError } from '../output/agent-error.js';
import type { AgentState } from '../state/agent-state.js';
import { readEnrolmentFile, type Enrolment } from '../transport/enrolment-file.js';
import { readProxy } from '../transport/read-proxy.js';
import type { CommandContext } from './command.js';

/** The state with the options of the command line in it; with `creates`, a new one if nothing is installed. */
export async function preparedState(
  context: CommandContext,
  { creates }: { readonly creates: boolean },
): Promise<AgentState> {
  const { file, line } = context;
  const current = await installedState(context);
  if (!current && !creates) throw notInstalled();
  const options = new OptionReader(line);
  options.assertServerMode();
  const connection = options.connection(
    current?.connection ?? null,
    await readProxy(options, current?.connection.proxy ?? null),
    await enrolmentOf(options),
  );
  const machine = options.machine(current?.machine ?? null, file.folder);
  if (current) return { ...current, connection, machine };
  return {
    hostId: randomUUID(),
    machineId: await readMachineId(machine.machineIdFile),
    connection,
    machine,
    registration: null,
    isRegistering: false,
    unregisterWish: null,
    ending: null,
  };
}

/** Null also if the file is not needed: the original's command line names one in addition to the passphrase file, in a format of its own. */
async function enrolmentOf(options: OptionReader): Promise<Enrolment | null> {
  const path = options.file('vault-creds-file');
  const isNeeded = !options.has('passphrase-file') || !options.has('cs-address');
  return path !== null && isNeeded ? readEnrolmentFile(path) : null;
}

/** The state of this machine; null if nothing is installed. @throws AgentError for a state of another machine. */
export async function installedState({ file, printer }: CommandContext): Promise<AgentState | null> {
  const { state, repair } = await file.read();
  if (repair) printer.progress(repair);
  if (state) await assertSameMachine(state);
  return state;
}

export const notInstalled = (): AgentError =>
  new AgentError(
    EXIT_CODES.notFound,
    'not_installed',
    'Nothing is installed on this machine.',
    'Run "process-server install".',
  );

import { EXIT_CODES, type ExitCode } from '@app/cli';
import { access, constants } from 'node:fs/promises';
import { assertSameMachine } from '../facts/machine.js';
import { isDaemonRunning, readRecord, type DaemonRecord } from '../loop/daemon-record.js';
import { AgentError } from '../output/agent-error.js';
import { worstOf } from '../output/exit-codes.js';
import type { AgentState } from '../state/agent-state.js';
import { readConfiguredFile } from '../transport/configured-file.js';
import { exitCodeOf } from '../transport/failure.js';
import type { Command, CommandContext } from './command.js';
import { notInstalled } from './prepare-state.js';

/** The daemon writes its record within this time after the announced one. */
const LATE_MS = 25_000;

interface Finding {
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly message: string;
}

/** Works offline: the state folder and the record of the daemon. The exit code is that of the most severe finding. */
export const status: Command = async (context) => {
  const { file, printer } = context;
  const { state } = await file.read({ repairs: false });
  if (!state) throw notInstalled();
  const record = await readRecord(file.folder);
  const findings = [...(await machineFindings(context, state, record)), ...serverFindings(state, record)];
  const exitCode = worstOf(findings.map((finding) => finding.exitCode));
  const isRunning = record !== null && isDaemonRunning(record);
  await printer.result(
    {
      exitCode,
      hostId: state.hostId,
      url: state.connection.url,
      generation: state.registration?.generation ?? null,
      machine: { daemonRunning: isRunning, daemonPid: isRunning ? record.pid : null, stateFolder: file.folder },
      lastHeartbeat: record?.lastAccepted ?? null,
      lastResponse: record?.lastResponse ?? null,
      unregisterWish: state.unregisterWish?.since ?? null,
      ending: state.ending,
      findings,
    },
    [
      `host id         ${state.hostId}, generation ${state.registration?.generation ?? 'none'}, at ${state.connection.url}`,
      `this machine    daemon ${isRunning ? `runs (process ${record.pid})` : 'does not run'}`,
      `last heartbeat  ${record?.lastAccepted ? `accepted ${record.lastAccepted.at}` : 'never accepted'}`,
      `last response   ${record?.lastResponse ? `${record.lastResponse.at} ${record.lastResponse.code}: ${record.lastResponse.message}` : 'none'}`,
      ...findings.map(({ code, message }) => `problem         ${message} (${code})`),
    ],
  );
  return exitCode;
};

async function machineFindings(
  { file }: CommandContext,
  state: AgentState,
  record: DaemonRecord | null,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (code: string, exitCode: ExitCode, message: string): void =>
    void findings.push({ code, exitCode, message });
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      add(error.code, exitCodeOf(error), error.message);
    }
  };
  await attempt(() => assertSameMachine(state));
  const { caFile } = state.connection;
  if (caFile !== null) await attempt(() => readConfiguredFile(caFile, '--ca-file'));
  await access(file.folder, constants.W_OK).catch(() =>
    add('state_folder', EXIT_CODES.configuration, `The state folder ${file.folder} cannot be written.`),
  );
  if (state.ending) return findings;
  if (!record || !isDaemonRunning(record))
    add('daemon_not_running', EXIT_CODES.failed, 'No heartbeats are sent: the daemon does not run.');
  else if (Date.parse(record.nextAttemptAt) + LATE_MS < Date.now())
    add(
      'record_late',
      EXIT_CODES.failed,
      `The daemon should have written its record after ${record.nextAttemptAt}: it is stuck, or its disk is full or read-only.`,
    );
  return findings;
}

/** Never healthy while cut off or rejected. */
function serverFindings(state: AgentState, record: DaemonRecord | null): Finding[] {
  if (state.ending) return [{ code: state.ending.code, exitCode: EXIT_CODES.notFound, message: state.ending.message }];
  if (!state.registration)
    return [{ code: 'not_registered', exitCode: EXIT_CODES.notFound, message: 'Not registered.' }];
  const findings: Finding[] = [];
  if (state.unregisterWish)
    findings.push({
      code: 'unregister_pending',
      exitCode: EXIT_CODES.unreachable,
      message: `Unregistering since ${state.unregisterWish.since}; the configuration server has not accepted it yet.`,
    });
  const response = record?.lastResponse;
  // A rejection says more than the missing heartbeat.
  if (!response || (response.code === 'accepted' && !record?.lastAccepted))
    findings.push({ code: 'no_heartbeat', exitCode: EXIT_CODES.failed, message: 'No heartbeat was accepted yet.' });
  if (response && response.code !== 'accepted')
    findings.push({
      code: response.code,
      exitCode: response.exitCode,
      message: `${response.message}${response.advice ? ` ${response.advice}` : ''}`,
    });
  return findings;
}

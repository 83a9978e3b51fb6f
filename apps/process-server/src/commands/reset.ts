import { EXIT_CODES } from '@app/cli';
import { AgentError } from '../output/agent-error.js';
import { lockDaemon } from '../state/folder-lock.js';
import type { Command } from './command.js';
import { purgeAdvice } from './purge-advice.js';

/** Removes the local state, also a corrupt one or one of another machine. The entry at the configuration server is not changed. */
export const reset: Command = async ({ file, line, printer }) => {
  const lock = await lockDaemon(file.folder);
  try {
    const state = await file.read({ repairs: false }).then(
      (read) => read.state,
      () => null,
    );
    const isRegistered = state?.registration && !state.ending;
    if (isRegistered && !line.values.has('force'))
      throw new AgentError(
        EXIT_CODES.refused,
        'still_registered',
        `This process server is still registered (host id ${state.hostId}).`,
        'Run "process-server unregister" first. If that is impossible, use --force, and have the entry purged.',
      );
    await file.remove();
    await printer.result({ hostId: state?.hostId ?? null, purgeNeeded: Boolean(isRegistered) }, [
      `The state in ${file.folder} was removed.`,
      ...(isRegistered ? [purgeAdvice(state)] : []),
    ]);
    return EXIT_CODES.ok;
  } finally {
    await lock.release();
  }
};

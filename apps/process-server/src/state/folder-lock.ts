import { DirectoryInUse, lockDirectory, type DirectoryLock } from '@app/system';
import { configurationError } from '../output/agent-error.js';
import { openStateFolder } from './state-folder.js';

const DAEMON_LOCK = 'daemon.pid';
const WRITER_LOCK = 'command.pid';

/** Only one daemon runs on a folder. @throws AgentError (configuration) that names the other one. */
export const lockDaemon = (folder: string): Promise<DirectoryLock> =>
  lock(folder, DAEMON_LOCK, 'A daemon already runs');

/** Only one command changes the state at a time; the daemon takes it for each change. */
export const lockState = (folder: string): Promise<DirectoryLock> =>
  lock(folder, WRITER_LOCK, 'Another command is changing the state');

async function lock(folder: string, fileName: string, what: string): Promise<DirectoryLock> {
  await openStateFolder(folder);
  try {
    return await lockDirectory(folder, fileName);
  } catch (error) {
    if (!(error instanceof DirectoryInUse)) throw error;
    throw configurationError(
      'state_folder_in_use',
      `${what} in ${folder} (process ${error.pid}).`,
      'Stop it first, or give this agent a folder of its own with STATE_DIRECTORY.',
    );
  }
}

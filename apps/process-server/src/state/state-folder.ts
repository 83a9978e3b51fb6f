import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorCode } from '@app/system';
import { configurationError } from '../output/agent-error.js';

const OPEN_TO_OTHERS = 0o077;

/** `STATE_DIRECTORY` as the service manager sets it, or the default of the platform. */
export function stateFolder(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  const given = environment['STATE_DIRECTORY']?.split(':')[0];
  if (given) return resolve(given);
  if (platform === 'win32') return join(environment['ProgramData'] ?? 'C:\\ProgramData', 'process-server');
  return '/var/lib/process-server';
}

/** Who owns the folder; root passes its files on to the user of the service. Null on Windows. */
export interface FolderOwner {
  readonly uid: number;
  readonly gid: number;
}

/** Creates the folder for its owner only. @throws AgentError (configuration) if it cannot be used, or others may read it. */
export async function openStateFolder(folder: string): Promise<void> {
  try {
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await chmod(folder, 0o700);
  } catch (error) {
    throw unusableFolder(folder, error);
  }
  await assertStateFolder(folder);
}

/** Null if there is no such folder. @throws AgentError (configuration) as `openStateFolder`. */
export async function assertStateFolder(folder: string): Promise<FolderOwner | null> {
  const found = await lstat(folder).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw unusableFolder(folder, error);
  });
  if (!found) return null;
  const real = found.isSymbolicLink() ? await statTarget(folder) : found;
  if (!real.isDirectory())
    throw configurationError('state_folder', `${folder} is not a folder.`, 'Remove it, or set STATE_DIRECTORY.');
  const user = process.geteuid?.();
  if (user === undefined) return null;
  if (real.uid !== user && user !== 0)
    throw configurationError(
      'state_folder',
      `${folder} belongs to user ${real.uid}, and this program runs as user ${user}.`,
      `Run it as that user, or as root.`,
    );
  if (real.mode & OPEN_TO_OTHERS)
    throw configurationError(
      'state_folder',
      `${folder} is open to others (mode ${(real.mode & 0o777).toString(8)}), and it holds secrets.`,
      `Run "chmod 700 ${folder}".`,
    );
  return { uid: real.uid, gid: real.gid };
}

async function statTarget(folder: string) {
  const { stat } = await import('node:fs/promises');
  return stat(folder);
}

export const unusableFolder = (folder: string, error: unknown) =>
  configurationError(
    'state_folder',
    `The state folder ${folder} cannot be used (${String(errorCode(error) ?? error)}).`,
    'Run the command as root or as the user of the service, or set STATE_DIRECTORY to a folder that it may write.',
  );

import { readFile } from 'node:fs/promises';
import { decodeText, errorCode, errorMessage } from '@app/system';
import { configurationError } from '../output/agent-error.js';

/** The text of a file that an option named. @throws AgentError (configuration) that names the option. */
export async function readConfiguredFile(path: string, option: string): Promise<string> {
  try {
    return decodeText(await readFile(path));
  } catch (error) {
    const reason = errorCode(error) === undefined ? errorMessage(error) : String(errorCode(error));
    throw configurationError(
      'file_unreadable',
      `The file ${path} of ${option} cannot be read (${reason}).`,
      `Name a file that this program may read with ${option}.`,
    );
  }
}

import { closeSync, fchmodSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { CliError, errorCode, EXIT_CODES, messageOf } from '@app/cli';
import type { Invocation } from './invocation.js';

/**
 * Creates a secret that the server returns once, and stores it in the file that `--file` names, else shows it on the terminal.
 * The file is created first: a secret without a place would be lost.
 * @returns what `create` returned, and whether its secret may be shown.
 */
export async function createSecret<Created>(
  invocation: Invocation,
  create: () => Promise<Created>,
  textOf: (created: Created) => string,
): Promise<{ readonly created: Created; readonly isShown: boolean }> {
  const path = invocation.text('file');
  if (path === undefined) {
    if (!invocation.printer.isTerminal)
      throw invocation.usageError('Without a terminal, --file is needed: a secret must not get into a log.');
    return { created: await create(), isShown: true };
  }
  const file = createPrivateFile(path);
  try {
    const created = await create();
    store(file, path, textOf(created));
    invocation.terminal.say(`The secret is in ${path}.`);
    return { created, isShown: false };
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(file);
  }
}

/** @throws CliError if the secret is lost. */
function store(file: number, path: string, text: string): void {
  try {
    writeSync(file, text);
    fsyncSync(file);
  } catch (error) {
    throw new CliError(
      EXIT_CODES.failed,
      `It was created, but ${path} cannot be written: ${messageOf(error)}. The secret is lost.`,
      'Revoke it (csctl keys list, csctl enrolments list), and create another one.',
    );
  }
}

/** @throws CliError if the file is there, or cannot be created. */
export function createPrivateFile(path: string): number {
  try {
    const file = openSync(path, 'wx', 0o600);
    fchmodSync(file, 0o600); // the umask may have removed more
    return file;
  } catch (error) {
    const text = errorCode(error) === 'EEXIST' ? 'it is there already' : messageOf(error);
    throw new CliError(
      EXIT_CODES.usage,
      `${path} cannot be created: ${text}.`,
      'Nothing was changed. Name another file.',
    );
  }
}

import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError, EXIT_CODES, messageOf } from '@app/cli';

/** One configuration server with the API key of the person who uses it. */
export interface Context {
  readonly url: string;
  readonly apiKey: string;
  /** PEM certificates that replace the built-in certificate authorities. */
  readonly certificateAuthorities?: string;
}

export interface ContextFile {
  /** Name of the chosen context; null before the first login. */
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, Context>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOGIN_ADVICE = 'Create a context: csctl login --server URL --key-file FILE';

export function contextFilePath(environment: Environment = process.env): string {
  const named = environment['CSCTL_CONFIG'];
  if (named) return named;
  const base = environment['XDG_CONFIG_HOME'] || environment['APPDATA'] || join(homedir(), '.config');
  return join(base, 'csctl', 'contexts.json');
}

/** @throws CliError if others than the owner can read the file, or it is damaged. */
export function readContextFile(path: string): ContextFile {
  const text = readPrivateFile(path);
  if (text === null) return { current: null, contexts: {} };
  try {
    const { current, contexts } = JSON.parse(text) as ContextFile;
    if (typeof contexts !== 'object' || contexts === null) throw new Error('it has no contexts');
    return { current: typeof current === 'string' ? current : null, contexts };
  } catch (error) {
    throw new CliError(
      EXIT_CODES.configuration,
      `${path} is damaged: ${messageOf(error)}.`,
      'Delete the file and log in again.',
    );
  }
}

/** Replaces the file as a whole, so that an interruption leaves the old or the new one. */
export function writeContextFile(path: string, file: ContextFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writePrivateFile(`${path}.${process.pid}.new`, `${JSON.stringify(file, null, 2)}\n`);
  renameSync(`${path}.${process.pid}.new`, path);
}

/** Creates a file that only its owner can read. @throws an EEXIST error if it is there. */
export function writePrivateFile(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600, flag: 'wx', flush: true });
  chmodSync(path, 0o600); // the umask may have removed more, and must not decide
}

/** @returns null if the file is not there. @throws CliError if it cannot be read, or others than its owner can read it. */
export function readPrivateFile(path: string): string | null {
  try {
    const { mode } = statSync(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new CliError(
        EXIT_CODES.configuration,
        `${path} has a secret, and others can read it (mode ${(mode & 0o777).toString(8).padStart(4, '0')}).`,
        `chmod 600 ${path}; if others used this machine in between, replace the secret too.`,
      );
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new CliError(EXIT_CODES.configuration, `${path} cannot be read: ${messageOf(error)}.`);
  }
}

/** The context that the option, else the environment, else the file names. @throws CliError if there is none. */
export function chooseContext(
  { current, contexts }: ContextFile,
  option: string | null,
  environment: Environment = process.env,
): { readonly name: string; readonly context: Context } {
  const name = option ?? (environment['CSCTL_CONTEXT'] || current);
  if (name === null) throw new CliError(EXIT_CODES.configuration, 'There is no context yet.', LOGIN_ADVICE);
  const context = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (context) return { name, context };
  const names = Object.keys(contexts);
  throw new CliError(
    EXIT_CODES.configuration,
    `There is no context "${name}".`,
    names.length > 0 ? `Choose one of: ${names.join(', ')}` : LOGIN_ADVICE,
  );
}

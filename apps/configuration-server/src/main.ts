import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pino } from 'pino';
import { DirectoryInUse, readSettings, SettingsError, UnsafeFile } from '@app/platform';
import { serverLog } from './server-log.js';
import { projectRoot } from './openapi/openapi-file.js';
import { CannotStart } from './cannot-start.js';
import { CommandLineError, HELP, readCommandLine } from './command-line.js';
import { migrateOnly } from './migrate-only.js';
import { serve, type RunningServer, type SecretFile } from './serve.js';

/** A stop that takes longer than this is given up. */
const LONGEST_STOP_MS = 30_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Of log lines that cannot be written, e.g. to a full disk or to a pipe that nobody reads, so many bytes wait; the rest is lost. */
const LARGEST_LOG_BACKLOG = 1_048_576;

/** A closed terminal or a full disk costs lines of output, and not the server. */
function keepServingWithoutOutput(log: EventEmitter): void {
  for (const output of [process.stdout, process.stderr, log]) output.on('error', () => undefined);
}

/** Of servers that share a database, only the first has the files. */
const ELSEWHERE = 'not in this data directory: it was made by the server that used this database first';

/** After a restore, or when another replica has made a new one since. */
const NOT_VALID = 'not in this data directory: the secret in its file is not valid in this database';

const placeOf = ({ path, state }: SecretFile): string =>
  state === 'valid' ? asTyped(path) : state === 'absent' ? ELSEWHERE : NOT_VALID;

/** A path as a person would type it where `npm start` was typed. */
function asTyped(path: string): string {
  const fromHere = relative(process.env['INIT_CWD'] ?? process.cwd(), path);
  const short = fromHere.startsWith('..') ? path : fromHere;
  return /^[\w./-]+$/.test(short) ? short : `'${short}'`;
}

function welcome({ url, files }: RunningServer): string {
  const curl = url.startsWith('https:') ? 'curl -k' : 'curl';
  return `
The configuration server listens on ${url}
  passphrase for process servers   ${placeOf(files.passphrase)}
  first admin key                  ${placeOf(files.adminKey)}

Try next, in another terminal:
  ${curl} ${url}/health/ready
  ${curl} -H "Authorization: Bearer ${files.adminKey.state === 'valid' ? `$(cat ${asTyped(files.adminKey.path)})` : '<API key>'}" ${url}/v1/fleet
In a browser: ${url}/docs

Stop it with Ctrl-C.`;
}

async function run(): Promise<void> {
  const { help, insecure, migrateOnly: isMigration, ...options } = readCommandLine(process.argv.slice(2));
  if (help) return console.log(HELP);
  const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8')) as { version: string };
  const settings = readSettings({ environment: process.env, insecure, packageVersion: version });
  const log = pino.destination({ dest: 2, sync: true, maxLength: LARGEST_LOG_BACKLOG, retryEAGAIN: () => false });
  keepServingWithoutOutput(log);
  const logger = serverLog(settings.logLevel, log);
  if (isMigration) return migrateOnly(settings, logger, print);
  let stopAsked: (signal: string) => void = () => undefined;
  const asked = new Promise<string>((resolve) => (stopAsked = resolve));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopAsked(signal));
  process.on('unhandledRejection', (reason) =>
    logger.error({ err: reason }, 'a promise was rejected and nobody looked'),
  );

  const server = await serve(settings, logger, print, options);
  print(welcome(server));
  const signal = await asked;
  print(`\n${signal}: answering what is in flight, then stopping …`);
  setTimeout(() => process.exit(1), LONGEST_STOP_MS).unref();
  await server.stop();
  print('Stopped.');
}

run().then(
  () => process.exit(0),
  (error: unknown) => {
    const told = [CommandLineError, SettingsError, DirectoryInUse, UnsafeFile, CannotStart].some(
      (kind) => error instanceof kind,
    );
    const expected = told || (error instanceof Error && error.name === 'DatabaseProgramMissing');
    console.error(expected ? (error as Error).message : error);
    process.exit(1);
  },
);

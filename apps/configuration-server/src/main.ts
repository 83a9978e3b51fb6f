import { relative } from 'node:path';
import { readServerSettings } from '@app/platform';
import { openServerLog } from './startup/logger.js';
import { packageVersion } from './openapi/openapi-file.js';
import { HELP, readCommandLine } from './startup/command-line.js';
import { migrateOnly } from './startup/migrate-only.js';
import { collectProcessMetrics } from './operations/process-metrics.js';
import { reportFailure } from './startup/report-failure.js';
import { startServer, type RunningServer, type SecretFile } from './startup/bootstrap.js';

/** A slower shutdown is aborted. */
const SHUTDOWN_TIMEOUT_MS = 30_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Of servers that share a database, only the first one has the files. */
const NOT_IN_THIS_DATA_DIRECTORY = 'not in this data directory: it was created by the first server of this database';

/** After a restore, or after another replica created a new secret. */
const SECRET_NOT_VALID = 'not in this data directory: the secret in its file is not valid in this database';

const describeSecretFile = ({ path, state }: SecretFile): string =>
  state === 'valid' ? toDisplayPath(path) : state === 'absent' ? NOT_IN_THIS_DATA_DIRECTORY : SECRET_NOT_VALID;

/** A path relative to the directory in which `npm start` was called. */
function toDisplayPath(path: string): string {
  const fromHere = relative(process.env['INIT_CWD'] ?? process.cwd(), path);
  const short = fromHere.startsWith('..') ? path : fromHere;
  return /^[\w./-]+$/.test(short) ? short : `'${short}'`;
}

function startupBanner({ url, files }: RunningServer): string {
  const curl = url.startsWith('https:') ? 'curl -k' : 'curl';
  return `
The configuration server listens on ${url}
  passphrase for process servers   ${describeSecretFile(files.passphrase)}
  first admin key                  ${describeSecretFile(files.adminKey)}

Next, in another terminal:
  ${curl} ${url}/health/ready
  ${curl} -H "Authorization: Bearer ${files.adminKey.state === 'valid' ? `$(cat ${toDisplayPath(files.adminKey.path)})` : '<API key>'}" ${url}/v1/fleet
In a browser: ${url}/docs

Stop it with Ctrl-C.`;
}

/** The launcher opens a channel to the server. Without the launcher, the database is not supervised. */
const isLaunched = process.send !== undefined;

/** Exits at once when the launcher ends: acknowledged calls are in the database. */
function endWithLauncher(): void {
  if (!process.connected) process.exit(1);
  process.once('disconnect', () => process.exit(1));
}

async function run(): Promise<void> {
  if (isLaunched) endWithLauncher();
  const { help, insecure, migrateOnly: isMigration, ...options } = readCommandLine(process.argv.slice(2));
  if (help) return console.log(HELP);
  const settings = readServerSettings({ environment: process.env, insecure, packageVersion: packageVersion() });
  const logger = openServerLog(settings.logLevel);
  if (isMigration) return migrateOnly(settings, logger, print);
  let requestShutdown: (signal: string) => void = () => undefined;
  const shutdownRequested = new Promise<string>((resolve) => (requestShutdown = resolve));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => requestShutdown(signal));
  process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'a promise rejection was not handled'));

  collectProcessMetrics();
  const server = await startServer(settings, logger, print, options);
  print(startupBanner(server));
  const signal = await shutdownRequested;
  print(`\n${signal}: completing the requests in flight, then stopping …`);
  setTimeout(() => process.exit(1), SHUTDOWN_TIMEOUT_MS).unref();
  await server.stop();
  if (!isLaunched) print('Stopped.');
}

run().then(
  () => process.exit(0),
  (error: unknown) => {
    reportFailure(error);
    process.exit(1);
  },
);

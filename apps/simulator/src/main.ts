import { createHash, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { errorMessage, readTextFile, seededRandom } from '@app/platform';
import { ConfigurationServerClient, ApiProblemError } from '@app/api-client';
import type { ProblemCode } from '@app/api-contract';
import { distribute } from './behaviours.js';
import { OptionsError, readOptions, USAGE, type Options } from './options.js';
import { Progress } from './progress.js';
import { RunTimer } from './run-timer.js';
import { factsOf, SimulatedServer } from './simulated-server.js';
import { CallStatistics } from './call-statistics.js';

const CONNECTIONS = 256;
/** Period in which the fleet registers, a tenth of a short run, so that the run does not start with a reconnect storm. */
const MAX_RAMP_UP_MS = 5_000;

const print = (text: string): void => void process.stdout.write(text);

/** The same seed creates the same fleet. */
function hostIdOf(seed: number, number: number): string {
  const digest = createHash('sha256').update(`${seed} ${number}`).digest('hex');
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

/** @throws OptionsError that names the file. */
function secretIn(file: string): string {
  try {
    return readTextFile(file).trim();
  } catch (error) {
    throw new OptionsError(`${file} cannot be read: ${errorMessage(error)}`);
  }
}

function passphraseIn(file: string): string {
  if (existsSync(file)) return secretIn(file);
  throw new OptionsError(
    `${file} is not there: start the configuration server in this folder first (npm start), or name the file with --passphrase-file`,
  );
}

/** @throws OptionsError if no configuration server responds: the run would have no result. */
async function assertReachable(client: ConfigurationServerClient, url: string): Promise<void> {
  try {
    await client.ready();
  } catch (error) {
    if (error instanceof ApiProblemError) return; // overloaded or without its database: the run is still useful
    throw new OptionsError(`no configuration server responds at ${url}: start it (npm start), or set --url`);
  }
}

/** @throws OptionsError if the files belong to another configuration server, which would reject the whole fleet. */
async function assertCredentials(
  client: ConfigurationServerClient,
  passphrase: string,
  key: string | null,
  { url, seed, passphraseFile, keyFile }: Options,
): Promise<void> {
  const rejectMismatch =
    (code: ProblemCode, file: string, option: string) =>
    (error: unknown): void => {
      const codes: readonly string[] = [code, 'authentication_attempts_exceeded'];
      if (error instanceof ApiProblemError && codes.includes(error.problem.code))
        throw new OptionsError(
          `${file} does not belong to the configuration server at ${url}: set its file with ${option}`,
        );
    };
  const hostId = hostIdOf(seed, 0);
  await client
    .preflight(hostId, { kind: 'passphrase', value: passphrase }, factsOf({ name: 'steady', number: 0, hostId }))
    .catch(rejectMismatch('passphrase_rejected', passphraseFile, '--passphrase-file'));
  if (key) await client.fleet(key).catch(rejectMismatch('api_key_rejected', keyFile, '--key-file'));
}

async function simulate(options: Options): Promise<void> {
  const { servers, seconds, mix, seed, url, passphraseFile, keyFile, intervalSeconds } = options;
  const passphrase = passphraseIn(passphraseFile);
  const key = existsSync(keyFile) ? secretIn(keyFile) : null;
  const client = new ConfigurationServerClient({ url, connections: CONNECTIONS });
  await assertReachable(client, url);
  await assertCredentials(client, passphrase, key, options);
  const random = seededRandom(seed);
  const statistics = new CallStatistics();
  const timer = new RunTimer();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => timer.end());

  print(`${servers} process servers live for ${seconds} s against ${url} (seed ${seed})\n`);
  const ending = setTimeout(() => timer.end(), seconds * 1000);
  const progress = new Progress(client, key, statistics, print);
  const context = { client, passphrase, statistics, timer, runSeconds: seconds, intervalSeconds, random };
  const rampUpMs = Math.min(MAX_RAMP_UP_MS, (seconds * 1000) / 10);
  const runs = distribute(mix, servers).map(async (name, number) => {
    const server = new SimulatedServer({ name, number, hostId: hostIdOf(seed, number), fraction: random() }, context);
    await timer.wait((rampUpMs * number) / servers);
    await server.run();
  });
  await Promise.all(runs);
  clearTimeout(ending);
  await progress.end();
  print(`\n${statistics.summary()}\n`);
  await client.close();
}

try {
  const options = readOptions(process.argv.slice(2), randomInt(1, 2 ** 31));
  if (options) await simulate(options);
  else print(`${USAGE}\n`);
} catch (error) {
  if (!(error instanceof OptionsError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}\n`);
  process.exitCode = 2;
}

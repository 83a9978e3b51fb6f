import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import setUpDatabase from './global-setup.mjs';

const PROGRAM = fileURLToPath(new URL('../../scripts/launch.mjs', import.meta.url));

/** Set-up of specs that start programs. TEST_DATA_DIRECTORY is a data directory after its first start, to be copied. */
export default async function setUp() {
  await setUpDatabase();
  process.env.TEST_DATA_DIRECTORY = join(process.env.TEST_FOLDER, 'data');
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    DATA_DIRECTORY: process.env.TEST_DATA_DIRECTORY,
    HTTP_PORT: '0',
  };
  const server = spawn(process.execPath, [PROGRAM], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => server.kill()); // if the run is interrupted
  let output = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
      if (output.includes('Stop it with Ctrl-C')) server.kill('SIGTERM');
    });
  }
  const [code] = await once(server, 'close');
  if (code !== 0) {
    await globalThis.removeThrowAwayDatabase();
    throw new Error(`the data directory could not be prepared:\n${output}`);
  }
}

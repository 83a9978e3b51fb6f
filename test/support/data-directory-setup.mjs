import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import setUpDatabase from './global-setup.mjs';

const PROGRAM = fileURLToPath(new URL('../../dist/apps/configuration-server/src/main.js', import.meta.url));

/** Set-up of the specs that start whole programs: also a data directory after its first start, to copy, in TEST_DATA_DIRECTORY. */
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
  process.once('exit', () => server.kill()); // when the run is interrupted
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
    throw new Error(`no data directory was prepared:\n${output}`);
  }
}

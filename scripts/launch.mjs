/** The server: in this process on the database that is named, otherwise as a child process on a private one. */
import { fileURLToPath } from 'node:url';
import { privateStart } from '../dist/apps/configuration-server/src/startup/private-start.js';
import { reportFailure } from '../dist/apps/configuration-server/src/startup/report-failure.js';

const SERVER = new URL('../dist/apps/configuration-server/src/main.js', import.meta.url);
const options = process.argv.slice(2);

try {
  const start = await privateStart(options, process.env);
  // main.js starts the server when it is imported.
  if (start === null) await import(SERVER.href);
  else await launchPrivately(start);
} catch (error) {
  reportFailure(error);
  process.exit(1);
}

async function launchPrivately(start) {
  const { launch } = await import('../dist/libs/dev-database/src/index.js');
  const command = [...process.execArgv, fileURLToPath(SERVER), ...options];
  const code = await launch({ ...start, command, progress: (line) => process.stdout.write(`${line}\n`) });
  if (code === 0 && !start.isMigration) console.log('Stopped.');
  process.exit(code);
}

import { access, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { takeSchemaSnapshot } from './schema-snapshot.mjs';
import { FOLDER_PREFIX, removeFolder, removeDeadRuns } from './temp-folders.mjs';

/**
 * Opens one database server for the whole run. Workers get its address as JSON in TEST_DATABASE, and the statements that create the
 * migrated schema in TEST_SCHEMA.
 */
export default async function globalSetup() {
  if (process.env.TEST_NO_DATABASE === '1' || process.env.TEST_DATABASE) return; // another project of this run has made it
  const { openPrivateDatabase, stopOrphanedDatabase } = await built('dev-database/src/index.js');
  const { isProcessRunning, processStartTime } = await built('system/src/running-process.js');
  await removeDeadRuns({ isProcessRunning, processStartTime, stopOrphanedDatabase });

  const folder = await mkdtemp(join(tmpdir(), FOLDER_PREFIX));
  process.env.TEST_FOLDER = folder;
  await writeFile(
    join(folder, 'owner.json'),
    JSON.stringify({ pid: process.pid, start: processStartTime(process.pid) }),
  );
  let removed;
  const remove = () => (removed ??= stopOrphanedDatabase(folder).then(() => removeFolder(folder)));
  // Jest runs no teardown when it is interrupted.
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => void remove().finally(() => process.exit(exitCode)));
  }
  globalThis.removeThrowAwayDatabase = remove;
  try {
    const address = process.env.TEST_DATABASE_URL
      ? await connectableAddress(process.env.TEST_DATABASE_URL)
      : await privateDatabase(openPrivateDatabase, folder);
    process.env.TEST_DATABASE = JSON.stringify(address);
    process.env.TEST_SCHEMA = await takeSchemaSnapshot(address);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function built(file) {
  const libraries = new URL('../../dist/libs/', import.meta.url);
  await access(libraries).catch(() => {
    throw new Error('dist/ is not built: run the tests with "npm test", which builds it first.');
  });
  return import(new URL(file, libraries));
}

async function privateDatabase(openPrivateDatabase, directory) {
  const progress = (line) => console.log(line);
  const { address } = await openPrivateDatabase({ directory, profile: 'ephemeral', progress });
  const { socketPath, user, password } = address;
  return { socketPath, user, password };
}

/** Address of the server in TEST_DATABASE_URL. @throws Error that names the server when it cannot be reached. */
async function connectableAddress(url) {
  const { hostname, port, username, password } = new URL(url);
  const address = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || 3306),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
  try {
    const connection = await createConnection({ ...address, connectTimeout: 10_000 });
    await connection.end();
  } catch (error) {
    throw new Error(
      `TEST_DATABASE_URL: ${address.host}:${address.port} cannot be used as ${address.user}: ${error.message || error.code}`,
    );
  }
  return address;
}

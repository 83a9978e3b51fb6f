import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder for all files of the run. Terminates database servers that an interrupted run left in it. */
export default async function globalSetup() {
  const { findServersForDataDir, terminateProcess } = await import(
    new URL('../../dist/libs/dev-database/src/index.js', import.meta.url)
  );
  const folder = await mkdtemp(join(tmpdir(), 'configuration-server-failover-'));
  process.env.TMPDIR = folder;
  const remove = async () => {
    for (const name of await readdir(folder)) {
      for (const { pid } of findServersForDataDir(join(folder, name, 'private-database')))
        await terminateProcess(pid, 5_000);
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  let removed;
  const removeOnce = () => (removed ??= remove());
  // Jest runs no teardown after an interruption.
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => void removeOnce().finally(() => process.exit(exitCode)));
  }
  globalThis.removeThrowAwayDatabase = removeOnce;
}

/** `npm run test:metrics`: Debian's promtool on the metrics of a running server. It succeeds where promtool cannot be downloaded, and says so. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, unpackPackages } from '../test/support/debian-packages.mjs';
import { root } from './prepare.mjs';

const folder = await mkdtemp(join(tmpdir(), 'configuration-server-promtool-'));
try {
  const promtool = onPath('promtool') ?? (await download());
  if (promtool) process.exitCode = await test(promtool);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function download() {
  try {
    return join(await unpackPackages(folder, ['prometheus'], 'It needs'), 'usr/bin/promtool');
  } catch (error) {
    console.log(`NOT RUN: promtool, which checks the metrics. ${error.message}`);
    return null;
  }
}

async function test(promtool) {
  const jest = spawn(
    process.execPath,
    [join(root, 'scripts/test.mjs'), '--config', join(root, 'test/metrics/jest.config.mjs')],
    { stdio: 'inherit', env: { ...process.env, PROMTOOL: promtool, TEST_NO_DATABASE: '1' } },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => jest.kill(signal));
  const [code] = await once(jest, 'exit');
  return code ?? 1;
}

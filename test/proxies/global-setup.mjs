import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { librariesIn, onPath, unpackPackages } from '../support/debian-packages.mjs';
import prepareDatabase from '../support/global-setup.mjs';

const PACKAGES = ['haproxy', 'nginx', 'nginx-common', 'liblua5.3-0', 'libopentracing1', 'libopentracing-c-wrapper0'];

/**
 * Starts the ephemeral database, and sets PROXY_PROGRAMS to the paths of haproxy and nginx as JSON. The programs are
 * installed ones, or unpacked from Debian packages.
 */
export default async function globalSetup() {
  await prepareDatabase();
  const removeDatabase = globalThis.removeThrowAwayDatabase;
  const folder = await mkdtemp(join(tmpdir(), 'configuration-server-proxies-'));
  globalThis.removeThrowAwayDatabase = async () => {
    await removeDatabase?.();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    process.env.PROXY_PROGRAMS = JSON.stringify(await findPrograms(folder));
  } catch (error) {
    await globalThis.removeThrowAwayDatabase();
    throw error;
  }
}

async function findPrograms(folder) {
  const [haproxy, nginx] = [onPath('haproxy'), onPath('nginx')];
  if (haproxy && nginx) return { haproxy, nginx, environment: {} };
  const unpacked = await unpackPackages(folder, PACKAGES, 'The tests behind proxies need haproxy and nginx, or');
  return {
    haproxy: join(unpacked, 'usr/sbin/haproxy'),
    nginx: join(unpacked, 'usr/sbin/nginx'),
    environment: { LD_LIBRARY_PATH: await librariesIn(unpacked) },
  };
}

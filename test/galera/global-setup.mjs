import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeSchemaSnapshot } from '../support/schema-snapshot.mjs';
import { GaleraCluster, USER } from './cluster.mjs';
import { findPrograms } from './packages.mjs';

/**
 * One cluster for the whole run. TEST_DATABASE is its first node, for the schemas of the tests; TEST_DATABASE_NODES are the
 * addresses for the replicas, and CLUSTER_PIDS the processes of the nodes.
 */
export default async function globalSetup() {
  const folder = await mkdtemp(join(tmpdir(), 'configuration-server-galera-'));
  let cluster;
  let removed;
  const remove = () =>
    (removed ??= Promise.resolve(cluster?.stop()).then(() =>
      rm(folder, { recursive: true, force: true, maxRetries: 5 }),
    ));
  // Jest runs no teardown after an interruption.
  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.on(signal, () => void remove().finally(() => process.exit(exitCode)));
  }
  globalThis.removeThrowAwayDatabase = remove;
  try {
    const password = randomBytes(12).toString('hex');
    cluster = await GaleraCluster.start(folder, await findPrograms(folder), password);
    const addresses = cluster.nodes.map(({ host, port }) => ({ host, port, user: USER, password }));
    process.env.TEST_DATABASE = JSON.stringify(addresses[0]);
    process.env.TEST_SCHEMA = await takeSchemaSnapshot(addresses[0]);
    process.env.TEST_DATABASE_NODES = JSON.stringify(addresses);
    process.env.CLUSTER_PIDS = JSON.stringify(cluster.nodes.map(({ pid }) => pid));
    console.log(`A Galera cluster of ${addresses.length} nodes runs below ${folder}.`);
  } catch (error) {
    await remove();
    throw error;
  }
}

import { TestCluster, type KnownServer } from './test-cluster.js';
import { UnchangedState } from './unchanged-state.js';

/** A site with two process servers, for invalid requests: none of them may change it. */
export interface InvalidRequestSite {
  readonly cluster: TestCluster;
  readonly server: KnownServer;
  readonly other: KnownServer;
  readonly still: UnchangedState;
}

export async function openInvalidRequestSite(): Promise<InvalidRequestSite> {
  const cluster = await TestCluster.open();
  const server = await cluster.registered();
  const other = await cluster.registered({ friendlyName: 'ps-2', ipAddress: '192.0.2.12', machineId: 'machine-2' });
  await cluster.heartbeat(server, { protectedMachineCount: 1 });
  await cluster.heartbeat<Record<string, unknown>>(server, { generation: 0 }); // records once per hour that this server sends malformed heartbeats
  return { cluster, server, other, still: await UnchangedState.of(cluster) };
}

export const processServerUrl = (hostId: string): string => `/v1/process-servers/${hostId}`;

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DatabaseServers } from '@app/fleet-mysql';
import { CommitCuttingProxy, type Cut } from '../support/commit-cutting-proxy.js';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type ProblemBody } from '../support/test-cluster.js';

let cluster: TestCluster;
let proxy: CommitCuttingProxy;
let replica: number;
beforeAll(async () => {
  cluster = await TestCluster.open();
  proxy = await CommitCuttingProxy.inFrontOf(cluster.database.address);
  const { user, password, database } = cluster.database.address;
  replica = await cluster.addReplicaWith({
    servers: new DatabaseServers({ ...proxy.address, user, password, database }),
  });
});
afterAll(async () => {
  await cluster.close();
  await proxy.close();
});

it.each<Cut>(['before it is sent', 'while it is processed', 'before the response'])(
  'a registration by enrolment whose connection is cut at the COMMIT %s is counted once, with one event',
  async (cut) => {
    const { enrolmentId, file } = await cluster.createEnrolment();
    const hostId = randomUUID();
    const register = (host: string) =>
      cluster.register<ProblemBody & { generation: number }>(
        host,
        { machineId: host },
        replica,
        `Enrolment ${file.token}`,
      );
    const cuts = proxy.cuts;
    proxy.cutNextCommit(cut);
    const { status, body } = await register(hostId);
    expect([status, body.generation, proxy.cuts]).toEqual([201, 1, cuts + 1]);
    expect((await cluster.read(`/v1/enrolments/${enrolmentId}`)).body).toMatchObject({
      state: 'UsedUp',
      registrations: 1,
    });
    expect(await cluster.eventKinds(hostId)).toEqual(['registered']);
    expectProblem(await register(randomUUID()), 'enrolment_used_up');
  },
);

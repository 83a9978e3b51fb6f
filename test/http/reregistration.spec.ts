import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readSettings } from '@app/platform';
import { expectProblem } from '../support/expect-problem.js';
import {
  LOOPBACK,
  TestCluster,
  type KnownServer,
  type ProblemBody,
  type RegistrationBody,
} from '../support/test-cluster.js';

const OTHER_ADDRESS = '127.0.0.2';

let cluster: TestCluster;
/** A replica that does not accept an address as proof. */
let onCredential: number;
beforeAll(async () => {
  cluster = await TestCluster.open();
  const environment = { CONFIGURATION_SERVER_VERSION: '9.63.7187.1', REREGISTRATION_PROOF: 'credential' };
  onCredential = await cluster.addReplicaWith({
    settings: readSettings({ environment, insecure: false, packageVersion: '0.0.0' }),
  });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});

describe('a Connected host id, registered again with its machine id', () => {
  const again = ({ hostId }: Pick<KnownServer, 'hostId'>, address: string, previousCredential?: string, replica = 0) =>
    cluster.register<ProblemBody & RegistrationBody>(
      hostId,
      previousCredential === undefined ? {} : { previousCredential },
      replica,
      cluster.passphrase,
      address,
    );
  const proofs = async ({ hostId }: KnownServer): Promise<unknown[]> => {
    const rows = await cluster.database.rows<{ proof: string }>(
      "SELECT JSON_VALUE(detail, '$.proof') AS proof FROM event WHERE host_id = ? AND kind = 'registered_again' ORDER BY generation",
      [hostId],
    );
    return rows.map(({ proof }) => proof);
  };

  it('without proof returns 409 with the remaining lease, writes one event an hour, and leaves the registration valid', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    await cluster.advance(100);
    for (const previousCredential of [undefined, `psc_${'A'.repeat(91)}`]) {
      const rejected = await again(server, OTHER_ADDRESS, previousCredential);
      expectProblem(rejected, 'host_id_in_use');
      expect([rejected.headers['retry-after'], rejected.body.instruction]).toEqual(['80', 'retry']);
      expect(JSON.stringify(rejected.body)).not.toContain(LOOPBACK);
    }
    expect((await cluster.read(`/v1/process-servers/${server.hostId}`)).body).toMatchObject({
      generation: 1,
      sourceAddress: LOOPBACK,
    });
    expect((await cluster.heartbeat(server)).status).toBe(200);
    expect(await cluster.eventKinds(server.hostId)).toEqual(['registered', 'refused_host_id_in_use']);
    const [{ id: passphraseId } = { id: '' }] = await cluster.database.rows<{ id: string }>(
      'SELECT id FROM passphrase',
    );
    const { body } = await cluster.read<{ items: object[] }>(
      `/v1/events?kind=refused_host_id_in_use&hostId=${server.hostId}`,
    );
    const diagnosis = await cluster.read<{ recommendedActions: string[]; recentRefusals: string[] }>(
      `/v1/process-servers/${server.hostId}/diagnosis`,
    );
    expect(diagnosis.body).toMatchObject({
      recentRefusals: ['refused_host_id_in_use'],
      recommendedActions: [expect.stringMatching(/from 127[.]0[.]0[.]2 .*previousCredential.*rotate the passphrase/)],
    });
    expect(body.items).toMatchObject([
      {
        sourceAddress: OTHER_ADDRESS,
        detail: { call: 'register', registeredAddress: LOOPBACK, otherAddress: OTHER_ADDRESS, passphraseId },
      },
    ]);
  });

  it('with its current credential is accepted from any address, which becomes the address of its heartbeats', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    const { status, body } = await again(server, OTHER_ADDRESS, server.credential);
    expect([status, body.generation]).toEqual([200, 2]);
    expectProblem(await again(server, LOOPBACK), 'host_id_in_use');
    await cluster.heartbeat({ hostId: server.hostId, ...body }, {}, 0, LOOPBACK);
    expectProblem(await again(server, OTHER_ADDRESS), 'host_id_in_use');
    expect((await again(server, LOOPBACK)).status).toBe(200);
    expect(await proofs(server)).toEqual(['credential', 'address']);
  });

  it('from the address of its registration is accepted before the first heartbeat, as after a lost response', async () => {
    const server = await cluster.registered();
    expect((await again(server, LOOPBACK, 'of another generation')).status).toBe(200);
    expect(await proofs(server)).toEqual(['address']);
    expectProblem(await again(server, OTHER_ADDRESS, server.credential), 'host_id_in_use');
  });

  it('is accepted from any address at the end of the lease, and not earlier', async () => {
    const server = await cluster.registered();
    await cluster.advance(175);
    expect((await again(server, OTHER_ADDRESS)).headers['retry-after']).toBe('5');
    await cluster.advance(5);
    expect((await again(server, OTHER_ADDRESS)).status).toBe(200);
    expect(await proofs(server)).toEqual(['lease_ended']);
  });

  it('under REREGISTRATION_PROOF=credential is accepted only with its credential', async () => {
    const server = await cluster.registered();
    const responses = [
      await again(server, LOOPBACK, undefined, onCredential),
      await again(server, OTHER_ADDRESS, server.credential, onCredential),
    ];
    expect(responses.map(({ status }) => status)).toEqual([409, 200]);
    expect(responses[0]?.body.detail).not.toContain('address');
    expect(await proofs(server)).toEqual(['credential']);
  });

  it('twice concurrently with one credential: the second call has an earlier credential, which is no proof', async () => {
    const server = await cluster.registered();
    const responses = await Promise.all([
      again(server, '127.0.0.2', server.credential),
      again(server, '127.0.0.3', server.credential, onCredential),
    ]);
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(await proofs(server)).toEqual(['credential']);
  });

  it('with a revoked credential returns at once; with one newer than the database, at the end of the lease', async () => {
    const revoked = await cluster.registered();
    await cluster.call('POST', `/v1/process-servers/${revoked.hostId}/revoke-credential`, {
      body: { generation: 1, reason: 'test' },
      authorization: cluster.admin,
    });
    expect((await cluster.heartbeat(revoked)).body).toMatchObject({
      code: 'credential_revoked',
      instruction: 'reregister',
    });
    expectProblem(await again(revoked, OTHER_ADDRESS, revoked.credential), 'host_id_in_use');
    expect((await again(revoked, LOOPBACK, revoked.credential, onCredential)).status).toBe(200);

    const { hostId } = await cluster.registered();
    const restored = await cluster.registered({}, hostId);
    await cluster.database.write('UPDATE process_server SET generation = 1 WHERE host_id = ?', [hostId]);
    await cluster.database.write(
      'UPDATE process_server_lease SET generation = 1, credential_hash = ? WHERE host_id = ?',
      [Buffer.alloc(32), hostId],
    );
    expect((await cluster.heartbeat(restored)).body).toMatchObject({
      code: 'generation_unknown',
      instruction: 'reregister',
    });
    const rejected = await again(restored, LOOPBACK, restored.credential, onCredential);
    expect([rejected.status, rejected.headers['retry-after']]).toEqual([409, '180']);
    await cluster.advance(180);
    expect((await again(restored, LOOPBACK, restored.credential, onCredential)).status).toBe(200);
  });
});

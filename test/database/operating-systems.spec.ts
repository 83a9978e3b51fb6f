import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { putRelease, type HeartbeatVerdict, type OsKey } from '@app/fleet';
import { OperatingSystems } from '@app/fleet-mysql';
import { aRelease } from '../../libs/fleet/src/testing/examples.js';
import { AN_OPERATOR, type StoredServer, TestStores } from '../support/test-stores.js';

/** The version of `aRelease`, which is for Windows. */
const VERSION = '9.62.0.0';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(async () => {
  await stores.fresh();
  stores.failedReads.length = 0;
  const release = aRelease({ flags: ['Deprecated'] });
  await stores.releases.change(release, (snapshot) => putRelease(release, AN_OPERATOR, snapshot));
  await stores.releases.current();
});
afterAll(() => stores.close());

/** Registers a server and writes a heartbeat, so that the next equal one is unchanged. */
async function sendingHeartbeats(osType: string, agentVersion = VERSION): Promise<StoredServer> {
  const server = await stores.registered({ osType, agentVersion });
  await stores.write(stores.heartbeat(server, { agentVersion }));
  return server;
}

/** Writes one batch; returns the operating systems of its verdicts and the first words of its statements. */
async function batch(
  servers: readonly StoredServer[],
  agentVersion = VERSION,
): Promise<{ readonly osKeys: (OsKey | undefined)[]; readonly statements: string[] }> {
  stores.heartbeatDatabase.statements.length = 0;
  const verdicts = await stores.write(...servers.map((server) => stores.heartbeat(server, { agentVersion })));
  return {
    osKeys: verdicts.map((verdict) => (verdict.outcome === 'accepted' ? verdict.osKey : undefined)),
    statements: stores.heartbeatDatabase.statements.map((sql) => sql.slice(0, 6)),
  };
}

describe('the operating system of an unchanged heartbeat', () => {
  it('is read once if the status of its version depends on it', async () => {
    const servers = [
      await sendingHeartbeats('windows'),
      await sendingHeartbeats('Linux'),
      await sendingHeartbeats('Windows Server 2022'),
    ];
    const osKeys = ['Windows', 'Linux', ''];
    expect(await batch(servers)).toEqual({ osKeys, statements: ['UPDATE', 'SELECT'] });
    expect(await batch(servers)).toEqual({ osKeys, statements: ['UPDATE'] });
  });

  it('is not read otherwise', async () => {
    const server = await sendingHeartbeats('Windows', '9.61.0.0');
    expect(await batch([server], '9.61.0.0')).toEqual({ osKeys: [undefined], statements: ['UPDATE'] });
  });

  it('is read again after a registration', async () => {
    const server = await sendingHeartbeats('Windows');
    await batch([server]);
    const again = await stores.registered({ osType: 'Linux', agentVersion: VERSION }, server.hostId);
    await stores.write(stores.heartbeat(again, { agentVersion: VERSION }));
    expect(await batch([again])).toEqual({ osKeys: ['Linux'], statements: ['UPDATE', 'SELECT'] });
  });

  it('is missing after a failed read, which is reported, and read with the next heartbeat', async () => {
    const server = await sendingHeartbeats('Windows');
    const failure = new Error('connection lost');
    stores.heartbeatDatabase.before = async (sql) => {
      if (sql.includes('p.os_key')) throw failure;
    };
    expect((await batch([server])).osKeys).toEqual([undefined]);
    expect(stores.failedReads).toEqual([failure]);
    stores.heartbeatDatabase.before = async () => undefined;
    expect((await batch([server])).osKeys).toEqual(['Windows']);
  });

  it('is remembered for a limited number of senders', async () => {
    const servers = [await sendingHeartbeats('Windows'), await sendingHeartbeats('Linux')];
    const limited = new OperatingSystems(stores.heartbeatDatabase, stores.releases, () => undefined, 1);
    const readsOf = async (server: StoredServer | undefined): Promise<number> => {
      if (!server) return 0;
      const verdict: HeartbeatVerdict = {
        outcome: 'accepted',
        agentVersion: VERSION,
        at: stores.clock.now(),
        availableMs: 0,
      };
      const item = { ...server, verdict: verdict as HeartbeatVerdict };
      stores.heartbeatDatabase.statements.length = 0;
      await limited.addTo([item]);
      return stores.heartbeatDatabase.statements.length;
    };
    const [one, two] = servers;
    expect([await readsOf(one), await readsOf(one), await readsOf(two), await readsOf(one)]).toEqual([1, 0, 1, 1]);
  });
});

import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createApiKey, FleetError, nameKey, type Randomness } from '@app/fleet';
import { Database, KeyRingStore, LeaseStore } from '@app/fleet-mysql';
import { CommitCuttingProxy, type Cut } from '../support/commit-cutting-proxy.js';
import { fixedFraction } from '../support/manual-clock.js';
import { eventually } from '../support/eventually.js';
import {
  A_TOMBSTONE,
  AN_ENTRY,
  AN_OPERATOR,
  SIMULATE_CLUSTER_NODE,
  codeOf,
  MINT,
  OURS,
  TestStores,
  type SpyDatabase,
} from '../support/test-stores.js';

let stores: TestStores;
let proxy: CommitCuttingProxy;
let database: SpyDatabase;
beforeAll(async () => {
  stores = await TestStores.open();
  proxy = await CommitCuttingProxy.inFrontOf(stores.testDatabase.address);
  database = stores.connect(proxy.address);
});
beforeEach(() => stores.fresh());
afterEach(() => void jest.restoreAllMocks());
afterAll(async () => {
  await stores.close();
  await proxy.close();
});

const CUTS: readonly Cut[] = ['before it is sent', 'while it is processed', 'before the response'];

describe.each(CUTS)('when the connection is cut at a COMMIT, %s,', (cut) => {
  it('a first registration exists exactly once, with one event and the returned credential', async () => {
    const hostId = randomUUID();
    proxy.cutNextCommit(cut);
    const before = proxy.cuts;
    const { generation, credential } = await stores.register(hostId, {}, stores.registryOn(database));
    expect(proxy.cuts).toBe(before + 1);
    expect(generation).toBe(1);
    expect(await stores.rowsOf(hostId)).toEqual(AN_ENTRY);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
    const lease = await stores.lease({ hostId });
    expect(lease).toMatchObject({ generation: 1 });
    expect((lease?.['credential_hash'] as Buffer).toString('hex')).toBe(
      MINT.verify(hostId, credential)?.credentialHash,
    );
  });

  it('a repeated registration creates one generation, with the returned credential', async () => {
    const { hostId } = await stores.registered();
    proxy.cutNextCommit(cut);
    const { generation, credential } = await stores.register(hostId, {}, stores.registryOn(database));
    expect(generation).toBe(2);
    expect(await stores.eventKinds(hostId)).toEqual(['registered', 'registered_again']);
    expect(((await stores.lease({ hostId }))?.['credential_hash'] as Buffer).toString('hex')).toBe(
      MINT.verify(hostId, credential)?.credentialHash,
    );
  });

  it('a registration over a tombstone creates one generation', async () => {
    const server = await stores.registered();
    await stores.purge(server, { force: true });
    proxy.cutNextCommit(cut);
    expect((await stores.register(server.hostId, {}, stores.registryOn(database))).generation).toBe(2);
    expect(await stores.rowsOf(server.hostId)).toEqual(AN_ENTRY);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'purged_by_force', 'registered']);
  });

  it('a purge removes the entry once, with one event', async () => {
    const server = await stores.registered();
    await stores.advance(180);
    proxy.cutNextCommit(cut);
    const { purgedAt } = await stores.purge(server, {}, stores.registryOn(database));
    expect(purgedAt).toEqual(stores.clock.now());
    expect(await stores.rowsOf(server.hostId)).toEqual(A_TOMBSTONE);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'purged']);
  });

  it('an API key is created once, with one event, and the returned key is valid', async () => {
    const [caller, name] = [`caller ${randomUUID()}`, `key ${randomUUID()}`];
    await stores.testDatabase.write(
      "INSERT INTO api_key (id, name, name_key, hash, role, created_at) VALUES (?, ?, ?, ?, 'admin', NOW(3))",
      [randomUUID(), caller, nameKey(caller), randomBytes(32)],
    );
    const ring = new KeyRingStore(database, stores.clock, stores.identifiers);
    const made = { id: randomUUID(), hash: randomBytes(32).toString('hex'), prefix: 'csk_12345678' };
    const actor = { ...AN_OPERATOR, name: `operator:${caller}` };
    proxy.cutNextCommit(cut);
    const apiKey = await ring.change(actor, { name }, (locked) =>
      createApiKey({ name, role: 'reader', expiresAt: null, actor }, made, locked),
    );
    expect(apiKey).toMatchObject({ keyId: made.id, name });
    expect(await ring.findValidApiKey(Buffer.from(made.hash, 'hex'))).toMatchObject({ keyId: made.id });
    expect((await stores.testDatabase.rows('SELECT id FROM event WHERE actor = ?', [actor.name])).length).toBe(1);
  });

  it('a decommission is written once, with one event', async () => {
    const server = await stores.registered();
    proxy.cutNextCommit(cut);
    await stores.decommission(server, stores.registryOn(database));
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'decommissioned_by_force']);
  });

  it('a batch of registrations creates one generation each, with the returned credentials, and waits for the pending COMMIT', async () => {
    const [again, newcomer] = [(await stores.registered()).hostId, randomUUID()];
    database.statements.length = 0;
    proxy.cutNextCommit(cut);
    const registry = stores.registryOn(database);
    const responses = await Promise.all([
      stores.register(again, {}, registry),
      stores.register(newcomer, {}, registry),
    ]);
    expect(responses.map(({ generation }) => generation)).toEqual([2, 1]);
    for (const { hostId, credential } of responses) {
      expect(((await stores.lease({ hostId }))?.['credential_hash'] as Buffer).toString('hex')).toBe(
        MINT.verify(hostId, credential)?.credentialHash,
      );
    }
    expect([await stores.eventKinds(again), await stores.eventKinds(newcomer)]).toEqual([
      ['registered', 'registered_again'],
      ['registered'],
    ]);
    const [first, ...later] = database.statements
      .filter((sql) => /FOR UPDATE/.test(sql))
      .map((sql) => /SKIP LOCKED/.test(sql));
    expect([first, later.includes(true)]).toEqual([true, false]);
  });

  it('a heartbeat that ends a silence is accepted, with one event', async () => {
    const server = await stores.registered();
    await stores.advance(180);
    const leases = new LeaseStore(database, stores.identifiers, OURS, stores.pendingWrites, stores.operatingSystems);
    const moment = await stores.moment();
    proxy.cutNextCommit(cut);
    const [verdict] = await leases.writeBatch([stores.heartbeat(server)], () => moment, 5_000);
    expect(verdict?.outcome).toBe('accepted');
    expect(await stores.eventKinds(server.hostId)).toEqual([
      'registered',
      'disconnected',
      'silence_ended',
      'reconnected',
    ]);
    expect((await stores.lease(server))?.['last_heartbeat_at']).toEqual(stores.clock.now());
  });
});

describe.each([
  [1180, true],
  [1180, false],
  [1047, true],
  [1047, false],
  [1213, true],
  [1213, false],
  [1105, true],
  [1105, false],
])('when COMMIT fails with error %d, committed: %s,', (errno, committed) => {
  it('a registration exists once, with one event and the returned credential', async () => {
    const hostId = randomUUID();
    proxy.failNextCommit({ errno, committed });
    const before = proxy.cuts;
    const { generation, credential } = await stores.register(hostId, {}, stores.registryOn(database));
    expect(proxy.cuts).toBe(before + 1);
    expect(generation).toBe(1);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
    expect(((await stores.lease({ hostId }))?.['credential_hash'] as Buffer).toString('hex')).toBe(
      MINT.verify(hostId, credential)?.credentialHash,
    );
  });
});

describe.each([
  [1180, true],
  [1180, false],
  [1047, true],
  [1213, true],
  [1213, false],
])('when COMMIT of heartbeats fails with error %d, committed: %s,', (errno, committed) => {
  it('a batch of changed heartbeats is accepted and written, with its events', async () => {
    const servers = [await stores.registered(), await stores.registered()];
    await stores.advance(180);
    const leases = new LeaseStore(database, stores.identifiers, OURS, stores.pendingWrites, stores.operatingSystems);
    const moment = await stores.moment();
    proxy.failNextCommit({ errno, committed });
    const verdicts = await leases.writeBatch(
      servers.map((server) => stores.heartbeat(server)),
      () => moment,
      5_000,
    );
    expect(verdicts.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted']);
    for (const server of servers) {
      expect((await stores.lease(server))?.['last_heartbeat_at']).toEqual(stores.clock.now());
      expect(await stores.eventKinds(server.hostId)).toEqual([
        'registered',
        'disconnected',
        'silence_ended',
        'reconnected',
      ]);
    }
  });
});

describe('a transaction', () => {
  it('sends the statements of a batch in one round trip; on a cluster node in separate round trips', async () => {
    const server = await stores.registered();
    const leases = new LeaseStore(database, stores.identifiers, OURS, stores.pendingWrites, stores.operatingSystems);
    await leases.writeBatch([stores.heartbeat(server)], () => ({ at: stores.clock.now(), availableMs: 0 }), 5_000);
    proxy.sent.length = 0;
    await leases.writeBatch([stores.heartbeat(server)], () => ({ at: stores.clock.now(), availableMs: 0 }), 5_000);
    const sent = proxy.sent.map((text) =>
      ['START TRANSACTION', 'UPDATE JSON_TABLE', 'COMMIT'].filter((part) => text.includes(part)),
    );
    expect(sent).toEqual(
      SIMULATE_CLUSTER_NODE
        ? [['START TRANSACTION'], ['UPDATE JSON_TABLE'], ['COMMIT']]
        : [['START TRANSACTION', 'UPDATE JSON_TABLE', 'COMMIT']],
    );
  });

  it('runs again completely after a deadlock', async () => {
    const [one, other] = [await stores.registered(), await stores.registered()];
    const crossing = stores.connect();
    let arrived = 0;
    let meet = (): void => undefined;
    const met = new Promise<void>((resolve) => (meet = resolve));
    let attempts = 0;
    const touch = (first: string, second: string): Promise<number> =>
      crossing.transaction(async (transaction) => {
        const attempt = (attempts += 1);
        const count =
          'UPDATE process_server_lease SET assigned_interval_seconds = assigned_interval_seconds + 1 WHERE host_id = ?';
        await transaction.write(count, [first]);
        if ((arrived += 1) === 2) meet();
        await met;
        await transaction.write(count, [second]);
        return attempt;
      });
    await Promise.all([touch(one.hostId, other.hostId), touch(other.hostId, one.hostId)]);
    expect(attempts).toBe(3);
    expect((await stores.lease(one))?.['assigned_interval_seconds']).toBe(32);
    expect((await stores.lease(other))?.['assigned_interval_seconds']).toBe(32);
  });

  it('that throws writes nothing, and its connection is usable', async () => {
    const server = await stores.registered();
    const before = await stores.contents();
    const work = database.transaction(async (transaction) => {
      await transaction.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [server.hostId]);
      throw new FleetError({ code: 'reason_required' });
    });
    expect(await codeOf(work)).toBe('reason_required');
    expect(await stores.contents()).toEqual(before);
    expect(await database.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('with an invalid statement does not run again', async () => {
    let attempts = 0;
    const work = database.transaction((transaction) => {
      attempts += 1;
      return transaction.write('UPDATE no_such_table SET x = 1');
    });
    expect(await codeOf(work)).toContain('no_such_table');
    expect(attempts).toBe(1);
  });

  it('counts matched rows, also if unchanged', async () => {
    const server = await stores.registered();
    const again = (): Promise<number> =>
      database.transaction((transaction) =>
        transaction.write('UPDATE process_server_lease SET retired = 0 WHERE host_id = ?', [server.hostId]),
      );
    expect([await again(), await again()]).toEqual([1, 1]);
  });

  it('runs in a strict session in UTC with READ COMMITTED', async () => {
    const [session] = await database.rows<Record<string, string>>(
      'SELECT @@SESSION.time_zone AS zone, @@SESSION.sql_mode AS mode, @@SESSION.innodb_lock_wait_timeout AS wait',
    );
    expect(session).toMatchObject({ zone: '+00:00', wait: 3 });
    expect(session?.['mode']).toContain('STRICT_TRANS_TABLES');
    const server = await stores.registered();
    await database.transaction(async (transaction) => {
      const name = async (): Promise<unknown> =>
        (
          await transaction.rows<{ friendly_name: string }>(
            'SELECT friendly_name FROM process_server WHERE host_id = ?',
            [server.hostId],
          )
        )[0]?.friendly_name;
      expect(await name()).toBe('ps-berlin-1');
      await stores.testDatabase.write("UPDATE process_server SET friendly_name = 'renamed' WHERE host_id = ?", [
        server.hostId,
      ]);
      expect(await name()).toBe('renamed');
    });
  });

  it('that takes longer than 5 s is not committed', async () => {
    const server = await stores.registered();
    const before = await stores.contents();
    const advanceMs = adjustableTime();
    const work = database.transaction(async (transaction) => {
      await transaction.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [server.hostId]);
      advanceMs(5_000);
    });
    expect(await codeOf(work)).toBe('database_unavailable');
    expect(await stores.contents()).toEqual(before);
  });
});

/** Real time that a test can advance. */
function adjustableTime(): (ms: number) => void {
  const real = performance.now.bind(performance);
  let aheadMs = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => real() + aheadMs);
  return (ms) => void (aheadMs += ms);
}

describe('an unreachable database', () => {
  async function unreachable(randomness: Randomness): Promise<Database> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return new Database({ host: '127.0.0.1', port, user: 'nobody', password: '', database: 'none' }, randomness, {
      connections: 1,
      lockWaitSeconds: 1,
    });
  }

  it('is retried for 5 s and then reported as unavailable', async () => {
    const advanceMs = adjustableTime();
    let pauses = 0;
    const absent = await unreachable({
      random: () => {
        pauses += 1;
        advanceMs(1_300);
        return 0;
      },
    });
    expect(await codeOf(absent.rows('SELECT 1'))).toBe('database_unavailable');
    expect(pauses).toBe(4);
    pauses = 0;
    expect(await codeOf(absent.transaction(async () => undefined))).toBe('database_unavailable');
    expect(pauses).toBe(4);
    await absent.close();
  });
});

it('the usage of a pool counts connections in use, idle and waited for; a lost connection does not count', async () => {
  const pool = new Database(stores.testDatabase.address, fixedFraction(0), { connections: 1, lockWaitSeconds: 1 });
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const began = new Promise<number>((resolve) => {
    void pool.transaction(async (transaction) => {
      resolve((await transaction.rows<{ id: number }>('SELECT CONNECTION_ID() AS id'))[0]!.id);
      await ended;
    });
  });
  const id = await began;
  const second = pool.rows('SELECT 1');
  expect(pool.usage).toEqual({ inUse: 1, idle: 0, limit: 1, pending: 1 });
  end();
  await second;
  expect(pool.usage).toEqual({ inUse: 0, idle: 1, limit: 1, pending: 0 });
  await stores.testDatabase.write('KILL ?', [id]);
  await eventually('the connection is lost', 10_000, () => pool.usage.idle === 0);
  expect(pool.usage).toEqual({ inUse: 0, idle: 0, limit: 1, pending: 0 });
  await pool.close();
});

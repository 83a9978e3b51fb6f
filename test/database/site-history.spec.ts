import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EnrolmentService, RecordingRegistry } from '@app/fleet';
import { EnrolmentStore, KeyRingStore, RemovalStore, SecretStore } from '@app/fleet-mysql';
import { constantTimeEqual, EnrolmentTokens, sha256 } from '@app/platform';
import { RemovedHostsFile } from '../../apps/configuration-server/src/data-directory/removed-hosts-file.js';
import { SiteHistory, type RestoreResult } from '../../apps/configuration-server/src/data-directory/site-history.js';
import { SecretFiles, ensureInitialSecrets } from '../../apps/configuration-server/src/data-directory/secret-files.js';
import { fixedFraction } from '../support/manual-clock.js';
import { TestStores, type StoredServer } from '../support/test-stores.js';

/** The data directory of a replica. */
interface Replica {
  readonly folder: string;
  readonly files: SecretFiles;
  readonly removedHosts: RemovedHostsFile;
  readonly history: SiteHistory;
}

const FIRST_FLOOR = 1_048_577;
const logger = pino({ level: 'silent' });
const folders: string[] = [];
let stores: TestStores;
let secrets: SecretStore;
let keys: KeyRingStore;
let first: Replica;

beforeAll(async () => {
  stores = await TestStores.open();
  secrets = new SecretStore(stores.database, stores.clock, stores.identifiers);
  keys = new KeyRingStore(stores.database, stores.clock, stores.identifiers);
});
afterAll(() => stores.close());
beforeEach(async () => {
  await stores.fresh();
  for (const table of ['shared_secret', 'passphrase', 'api_key', 'site'])
    await stores.testDatabase.write('DELETE FROM ??', [table]);
  first = await aReplica();
  await ensureInitialSecrets(secrets, keys, first.files, () => undefined);
  await first.history.reconcile({ isRestored: false, isNewDatabase: true });
});
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** Opens a new data directory, or that of a stopped replica. */
async function aReplica(folder?: string): Promise<Replica> {
  const dataDirectory = folder ?? (await mkdtemp(join(tmpdir(), 'site-history-')));
  if (!folder) folders.push(dataDirectory);
  const files = new SecretFiles(dataDirectory);
  const removedHosts = new RemovedHostsFile(dataDirectory, logger);
  const { database, clock, identifiers } = stores;
  const history = new SiteHistory({
    replica: 'replica-1',
    dataDirectory,
    database,
    clock,
    identifiers,
    randomness: fixedFraction(0),
    keys,
    files,
    removedHosts,
  });
  return { folder: dataDirectory, files, removedHosts, history };
}

/** Starts again on the same data directory. */
async function restart(
  { folder }: Replica,
  isRestored: boolean,
): Promise<Replica & { readonly result: RestoreResult | null }> {
  const next = await aReplica(folder);
  await ensureInitialSecrets(secrets, keys, next.files, () => undefined);
  return { ...next, result: await next.history.reconcile({ isRestored, isNewDatabase: false }) };
}

const textOf = async (path: string): Promise<string> => (await readFile(path, 'utf8')).trim();
const linesOf = async ({
  folder,
}: Pick<Replica, 'folder'>): Promise<{ hostId: string; generation: number; change: string }[]> =>
  (await readFile(join(folder, 'removed-hosts.jsonl'), 'utf8'))
    .split('\n')
    .flatMap((line) => (line ? [JSON.parse(line)] : []));
const hasValidSecrets = async ({ files }: Replica): Promise<boolean[]> => {
  const [passphrase, key] = await Promise.all([textOf(files.passphrase), textOf(files.adminKey)]);
  return [
    (await keys.validPassphrases()).some(({ hash }) => constantTimeEqual(hash, sha256(passphrase))),
    await keys.isApiKeyValid(sha256(key)),
  ];
};
const validKeys = async (): Promise<number> =>
  (await keys.apiKeys(100, null)).filter(({ revokedAt }) => revokedAt === null).length;
const epochs = (): Promise<unknown[]> =>
  stores.testDatabase.rows('SELECT epoch, generation_floor, unfinished FROM site');
const restoredEvents = async (): Promise<number> =>
  (await stores.testDatabase.rows(`SELECT id FROM event WHERE kind = 'database_restored'`)).length;
const recording = ({ removedHosts }: Replica): RecordingRegistry =>
  new RecordingRegistry(stores.registry, removedHosts);
const purge = (replica: Replica, server: StoredServer): Promise<unknown> =>
  stores.purge(server, { force: true }, recording(replica));

/** Restores the rows of a host as in the backup. */
async function restoreEntry({ hostId }: StoredServer): Promise<StoredServer> {
  await stores.testDatabase.write('DELETE FROM tombstone WHERE host_id = ?', [hostId]);
  return stores.registered({}, hostId);
}

describe('a restore', () => {
  const killed = new Error('killed');

  it.each([
    ['before the database is read', 'FROM site', [0, 0]],
    ['before the epoch is written', 'UPDATE site AS s SET s.epoch', [0, 0]],
    ['before its event is written', 'INSERT INTO event', [0, 0]],
    ['before credentials are revoked', 'UPDATE process_server_lease', [1, 1]],
    ['before hosts are removed again', 'INSERT INTO tombstone', [1, 1]],
    ['before it is marked as finished', 'SET s.unfinished = 0', [1, 1]],
  ])('that was killed %s is completed by the next start', async (_when, statement, [epoch, events]) => {
    const purged = await stores.registered();
    await purge(first, purged);
    await restoreEntry(purged);
    const server = await stores.registered();
    stores.database.before = async (sql) => {
      if (sql.includes(statement)) throw killed;
    };
    await expect(restart(first, true)).rejects.toBe(killed);
    stores.database.before = async () => undefined;
    expect([await epochs(), await restoredEvents()]).toMatchObject([[{ epoch }], events]);

    const { result, history } = await restart(first, true);
    expect(result).toEqual({
      hasBegun: epoch === 0,
      epoch: 1,
      generationFloor: FIRST_FLOOR,
      removed: expect.any(Number),
    });
    expect([await epochs(), await restoredEvents(), history.problems]).toEqual([
      [{ epoch: 1, generation_floor: FIRST_FLOOR, unfinished: 0 }],
      1,
      [],
    ]);
    expect([await hasValidSecrets(first), await validKeys()]).toEqual([[true, true], 1]);
    expect((await readdir(first.folder)).sort()).toEqual([
      'admin.key',
      'connection.passphrase',
      'removed-hosts.jsonl',
      'site.json',
    ]);
    expect(await stores.outcomes(stores.heartbeat(server), stores.heartbeat(purged))).toEqual([
      'credential_revoked',
      'generation_retired',
    ]);
    expect([(await stores.register(server.hostId)).generation, await stores.testDatabase.counterErrors()]).toEqual([
      FIRST_FLOOR + 1,
      [],
    ]);
  });

  it('that has begun is completed by a start without the option, too', async () => {
    stores.database.before = async (sql) => {
      if (sql.includes('SET s.unfinished = 0')) throw killed;
    };
    await expect(restart(first, true)).rejects.toBe(killed);
    stores.database.before = async () => undefined;
    expect((await restart(first, false)).result).toMatchObject({ epoch: 1 });
    expect(await epochs()).toMatchObject([{ epoch: 1, unfinished: 0 }]);
  });

  it('revokes the enrolments that have not ended, because the backup may miss registrations and revocations', async () => {
    const enrolments = new EnrolmentStore(stores.database, stores.clock, stores.identifiers);
    const tokens = new EnrolmentTokens(Buffer.alloc(32));
    const service = new EnrolmentService(enrolments, tokens, stores.identifiers, stores.clock);
    const { enrolment: created } = await service.create({
      expiresAt: null,
      maxRegistrations: null,
      note: 'Berlin',
      actor: { name: 'anna', address: '198.51.100.7', requestId: 'request-1' },
    });
    await restart(first, true);
    expect(await enrolments.find(created.enrolmentId)).toEqual({
      ...created,
      revokedAt: stores.clock.now(),
      revokedBy: 'configuration-server',
    });
    const [event] = await stores.testDatabase.rows<{ detail: unknown }>(
      "SELECT detail FROM event WHERE kind = 'database_restored'",
    );
    expect(event?.detail).toMatchObject({ enrolmentsRevoked: 1 });
  });

  it('on two replicas at once runs once, and each replica adds the removals that it knows', async () => {
    const second = await aReplica();
    await second.history.reconcile({ isRestored: false, isNewDatabase: false });
    const purged = [await stores.registered(), await stores.registered()] as const;
    await purge(first, purged[0]);
    await purge(second, purged[1]);
    for (const server of purged) await restoreEntry(server);

    const both = await Promise.all([restart(first, true), restart(second, true)]);
    expect([await epochs(), await restoredEvents(), await validKeys()]).toEqual([
      [{ epoch: 1, generation_floor: FIRST_FLOOR, unfinished: 0 }],
      1,
      1,
    ]);
    const names = (await Promise.all([first, second].map(({ folder }) => readdir(folder)))).flat();
    expect(names.filter((name) => /\.(new|renewed)$/.test(name))).toEqual([]);
    expect(await stores.outcomes(...purged.map((server) => stores.heartbeat(server)))).toEqual([
      'generation_retired',
      'generation_retired',
    ]);
    expect(
      both.map(({ history }) => history.problems.filter((problem) => problem !== 'passphrase_file_unknown')),
    ).toEqual([[], []]);
  });

  it('is completed with the removals of another data directory that starts later without the option', async () => {
    const second = await aReplica();
    await second.history.reconcile({ isRestored: false, isNewDatabase: false });
    const [purged, returned] = [await stores.registered(), await stores.registered()];
    await purge(second, purged);
    await purge(second, returned);
    for (const server of [purged, returned]) await restoreEntry(server);
    await restart(first, true);
    expect(await stores.outcomes(stores.heartbeat(purged))).toEqual(['credential_revoked']);
    await stores.register(returned.hostId);

    expect((await restart(second, false)).result).toMatchObject({ epoch: 1, removed: 1 });
    expect(await stores.outcomes(stores.heartbeat(purged), stores.heartbeat(returned))).toEqual([
      'generation_retired',
      'generation_superseded',
    ]);
    expect([await stores.rowsOf(purged.hostId), (await stores.eventKinds(purged.hostId)).slice(0, 4)]).toEqual([
      [0, 0, 0, 0, 1],
      ['registered', 'purged_by_force', 'registered', 'purged'],
    ]);
    expect((await restart(second, false)).result).toBeNull();
  });

  it('is not begun by a data directory that does not know the previous restore', async () => {
    const second = await aReplica();
    await second.history.reconcile({ isRestored: false, isNewDatabase: false });
    await restart(first, true);
    const stale = await restart(second, true);
    expect([stale.result, await epochs()]).toMatchObject([{ hasBegun: false, epoch: 1 }, [{ epoch: 1 }]]);
    await rm(join(second.folder, 'site.json'));
    await stores.advance(60); // the name of the admin key contains the time of the restore
    expect((await restart(second, true)).result).toMatchObject({ hasBegun: true, epoch: 2 });
  });

  it('reads the copied files of other replicas, and skips invalid lines', async () => {
    const second = await aReplica();
    await second.history.reconcile({ isRestored: false, isNewDatabase: false });
    const purged = await stores.registered();
    await purge(second, purged);
    await restoreEntry(purged);
    await writeFile(
      join(first.folder, 'removed-hosts.replica-2.jsonl'),
      `${await readFile(join(second.folder, 'removed-hosts.jsonl'), 'utf8')}\n{"hostId":"torn`,
    );
    expect((await restart(first, true)).result).toMatchObject({ removed: 1 });
  });

  it('does not remove a host that registered again after its purge', async () => {
    const server = await stores.registered();
    await purge(first, server);
    const { generation } = await stores.register(server.hostId, {}, recording(first));
    expect((await linesOf(first)).map(({ change }) => change)).toEqual(['purge', 'registered']);
    await stores.testDatabase.write('DELETE FROM process_server_name_history');
    for (const table of ['process_server_lease', 'process_server_health', 'process_server'])
      await stores.testDatabase.write('DELETE FROM ??', [table]);
    expect((await restart(first, true)).result).toMatchObject({ removed: 0 });
    expect([generation, await stores.outcomes(stores.heartbeat({ ...server, generation }))]).toEqual([
      2,
      ['process_server_not_found'],
    ]);
  });

  it.each([
    ['is missing', null],
    ['is invalid', 'secret'],
  ])('creates a new passphrase when that of the data directory %s', async (_what, text) => {
    if (text === null) await rm(first.files.passphrase);
    else await writeFile(first.files.passphrase, text);
    const { files, history } = await restart(first, true);
    expect([await hasValidSecrets(first), history.problems, (await stat(files.passphrase)).mode & 0o777]).toEqual([
      [true, true],
      [],
      0o600,
    ]);
    expect(await stores.testDatabase.count('passphrase')).toBe(2);
  });

  it('expires the purge plans of the backup', async () => {
    await stores.savedPlan(await stores.registered());
    await restart(first, true);
    expect(await stores.testDatabase.rows('SELECT expires_at FROM purge_plan')).toEqual([
      { expires_at: stores.clock.now() },
    ]);
  });
});

describe('a data directory', () => {
  it('reports a database older than its stored availability clock, until a restore', async () => {
    await stores.advance(60);
    await first.history.save(60_000);
    await stores.testDatabase.write('UPDATE availability_clock SET available_ms = 59999');
    const found = await restart(first, false);
    expect([found.result, found.history.problems, found.history.advice]).toEqual([
      null,
      ['database_older_than_data_directory'],
      expect.stringContaining('npm start -- --restored'),
    ]);
    await stores.advance(600);
    await found.history.save(700_000);
    expect((await restart(first, false)).history.problems).toEqual(['database_older_than_data_directory']);
    const { history } = await restart(first, true);
    expect([history.problems, history.advice]).toEqual([[], null]);
  });

  it('of another site is reported, and none of its removals is applied', async () => {
    const purged = await stores.registered();
    await purge(first, purged);
    await restoreEntry(purged);
    await stores.testDatabase.write(`UPDATE site SET site_id = 'site-2', epoch_id = 'site-2'`);
    const found = await restart(first, false);
    expect([found.history.problems, found.history.advice]).toEqual([
      ['data_directory_of_other_site'],
      expect.stringContaining('Set DATA_DIRECTORY'),
    ]);
    expect((await restart(first, true)).result).toMatchObject({ epoch: 1, removed: 0 });
    expect((await restart(first, false)).history.problems).toEqual([]);
  });

  it('with a passphrase unknown to the database is reported until another one is committed', async () => {
    await writeFile(first.files.passphrase, 'AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA');
    const { history, files } = await restart(first, false);
    expect(history.problems).toEqual(['passphrase_file_unknown']);
    await files.stage('BBBBB-BBBBB-BBBBB-BBBBB-BBBBB-BBBBB');
    await files.commit();
    expect([history.problems, history.advice]).toEqual([[], null]);
  });

  it('records purges and clean-up removals before the response, readable by its owner only', async () => {
    const [purged, left] = [await stores.registered(), await stores.decommissioned()];
    await purge(first, purged);
    await stores.advance(300);
    const removals = new RemovalStore(stores.database, stores.clock, stores.identifiers, first.removedHosts);
    await removals.removeDue({ decommissionedAt: stores.clock.now(), availableMs: 0 }, 10, null);
    expect(await linesOf(first)).toMatchObject([
      { hostId: purged.hostId, generation: 1, change: 'purge', by: 'anna', reason: 'scrapped' },
      { hostId: left.hostId, generation: 1, change: 'clean_up', by: 'clean-up' },
    ]);
    expect((await stat(join(first.folder, 'removed-hosts.jsonl'))).mode & 0o777).toBe(0o600);
  });

  it('records a repeated purge unless it is already recorded', async () => {
    const server = await stores.registered();
    await stores.purge(server, { force: true }); // purged by a replica that was killed before it recorded the purge
    await purge(first, server);
    await purge(first, server);
    expect(await linesOf(first)).toMatchObject([{ hostId: server.hostId, change: 'purge' }]);
  });

  it('that cannot be written rejects no purge, is reported, and is written later', async () => {
    const server = await stores.registered();
    const folder = join(first.folder, 'away');
    const { removedHosts, history } = await aReplica(folder);
    await stores.purge(server, { force: true }, new RecordingRegistry(stores.registry, removedHosts));
    expect(history.problems).toEqual(['removed_hosts_not_recorded']);
    await mkdir(folder);
    await removedHosts.flush();
    expect([history.problems, await linesOf({ folder })]).toMatchObject([[], [{ hostId: server.hostId }]]);
  });

  it('does not follow a symbolic link as the file of removed hosts', async () => {
    const target = join(first.folder, 'elsewhere');
    await writeFile(target, '');
    await rm(join(first.folder, 'removed-hosts.jsonl'), { force: true });
    await symlink(target, join(first.folder, 'removed-hosts.jsonl'));
    await expect(first.removedHosts.compact()).rejects.toThrow('is a symbolic link');
    await purge(first, await stores.registered());
    expect([await textOf(target), first.history.problems]).toEqual(['', ['removed_hosts_not_recorded']]);
  });

  it('keeps one line for each host', async () => {
    const [server, other] = [await stores.registered(), await stores.registered()];
    await purge(first, server);
    await stores.advance(60);
    await restoreEntry(server);
    await purge(first, { ...server, generation: 1 });
    await purge(first, other);
    await stores.register(other.hostId, {}, recording(first));
    await writeFile(join(first.folder, 'removed-hosts.jsonl'), '{"torn', { flag: 'a' });
    await first.removedHosts.compact();
    expect((await linesOf(first)).map(({ hostId, change }) => [hostId, change])).toEqual([
      [server.hostId, 'purge'],
      [other.hostId, 'registered'],
    ]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse, type KnownServer, type ProblemBody } from '../support/test-cluster.js';

interface ListItem {
  readonly hostId: string;
  readonly friendlyName: string;
  readonly lifecycle: string;
  readonly connectionState: string;
  readonly health: string;
  readonly lastHeartbeat: string | null;
  readonly removeBy: string | null;
  readonly possibleDuplicate: boolean;
}
interface List extends ProblemBody {
  readonly items: readonly ListItem[];
  readonly nextCursor: string | null;
  readonly asOf: string;
}

let cluster: TestCluster;
const known: Record<string, KnownServer> = {};
const LOAD = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 90,
  totalCacheBytes: 100,
  freeCacheBytes: 90,
  throughputBytesPerSecond: 1,
  pendingUploadBytes: 0,
};

/** One process server of each kind; the names are not in order of registration. */
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
  const make = async (name: string, ipAddress: string, over: Record<string, unknown> = {}): Promise<KnownServer> =>
    (known[name] = await cluster.registered({ friendlyName: name, ipAddress, machineId: `machine-${name}`, ...over }));
  const lost = await make('lost', '2001:db8::1');
  await cluster.heartbeat(lost, { load: LOAD });
  await make('mute', '192.0.2.2');
  const busy = await make('busy', '192.0.2.5');
  await cluster.report(busy, { load: { ...LOAD, cpuPercent: 90 } }, 600);
  const slow = await make('slow', '192.0.2.3');
  await cluster.heartbeat(slow, { load: { ...LOAD, cpuPercent: 99 } });
  await cluster.report(busy, { load: { ...LOAD, cpuPercent: 90 } }, 300);
  await cluster.heartbeat(await make('fine', '192.0.2.4'), { load: LOAD });
  await cluster.advance(5);
  await cluster.heartbeat(busy, { load: { ...LOAD, cpuPercent: 90 } });
  await make('aged', '192.0.2.6', { agentVersion: '9.50.1.1' });
  await cluster.unregister(await make('left', '192.0.2.7'));
  await make('100%_sure', '192.0.2.8');
});
afterAll(() => cluster.close());

const list = (query = '', replica = 0): Promise<TestResponse<List>> =>
  cluster.read<List>(`/v1/process-servers${query}`, replica);
const names = async (query: string): Promise<string[]> =>
  (await list(query)).body.items.map(({ friendlyName }) => friendlyName).sort();
async function paginate(query: string): Promise<{ entries: ListItem[]; pages: number[] }> {
  const entries: ListItem[] = [];
  const pages: number[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { status, body }: TestResponse<List> = await list(
      `?${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      pages.length % 2,
    );
    expect(status).toBe(200);
    entries.push(...body.items);
    pages.push(body.items.length);
    cursor = body.nextCursor;
  }
  return { entries, pages };
}
const all = ['100%_sure', 'aged', 'busy', 'fine', 'left', 'lost', 'mute', 'slow'];

describe('the list', () => {
  it('shows every process server, Decommissioned ones with their removal time, as of asOf', async () => {
    const { body } = await list();
    expect(body.items.map(({ friendlyName }) => friendlyName).sort()).toEqual(all);
    expect(body).toMatchObject({ nextCursor: null, asOf: cluster.clock.now().toISOString() });
    const left = body.items.find(({ friendlyName }) => friendlyName === 'left');
    expect(left).toMatchObject({
      lifecycle: 'Decommissioned',
      connectionState: 'Disconnected',
      removeBy: new Date(cluster.clock.now().getTime() + 420_000).toISOString(),
    });
    for (const entry of body.items.filter((one) => one !== left))
      expect(entry).toMatchObject({ lifecycle: 'Registered', removeBy: null, possibleDuplicate: false });
  });

  it.each([
    ['connectionState=Connected', ['100%_sure', 'aged', 'busy', 'fine']],
    ['connectionState=Disconnected', ['left', 'lost', 'mute', 'slow']],
    ['lifecycle=Registered', all.filter((name) => name !== 'left')],
    ['lifecycle=Decommissioned', ['left']],
    ['versionStatus=Supported', all.filter((name) => name !== 'aged')],
    ['versionStatus=NotSupported', ['aged']],
    ['versionStatus=Deprecated', []],
    ['versionStatus=UpdateRequired', []],
    ['versionStatus=SecurityUpdateRequired', []],
    ['health=Critical', ['lost', 'mute']],
    ['health=Warning', ['busy']],
    ['health=Normal', ['fine']],
    ['health=None', ['100%_sure', 'aged', 'left', 'slow']],
    ['ipAddress=192.0.2.4', ['fine']],
    ['ipAddress=2001:DB8:0::1', ['lost']],
    ['ipAddress=::ffff:192.0.2.4', ['fine']],
    ['ipAddress=192.0.2.99', []],
    ['friendlyName=l', ['left', 'lost']],
    ['friendlyName=LO', ['lost']],
    ['friendlyName=ost', []],
    ['friendlyName=100%25_', ['100%_sure']],
    ['friendlyName=%25', []],
    ['friendlyName=_', []],
    ['machineId=machine-fine', ['fine']],
    ['machineId=machine-FINE', []],
    ['machineId=machine', []],
    ['possibleDuplicate=false', all],
    ['possibleDuplicate=true', []],
    ['silentForSeconds=0', all],
    ['silentForSeconds=305', ['lost', 'mute', 'slow']],
    ['silentForSeconds=306', ['lost', 'mute']],
    ['silentForSeconds=905', ['lost', 'mute']],
    ['silentForSeconds=906', []],
    ['connectionState=Disconnected&lifecycle=Registered&friendlyName=l', ['lost']],
    ['connectionState=Connected&health=Critical', []],
  ])('filtered by %s: %j', async (query, expected) => {
    expect(await names(`?${query}`)).toEqual(expected);
  });

  it.each([
    'connectionState=Connected&limit=2',
    'friendlyName=l&limit=1',
    'health=Critical&limit=1',
    'silentForSeconds=306&limit=1&sort=friendlyName',
  ])('in pages filtered by %s equals one page', async (query) => {
    const { entries } = await paginate(query);
    const { body } = await list(`?${query.replace(/limit=\d/, 'limit=1000')}`);
    expect(entries).toEqual(body.items);
  });

  it('requires a reader', async () => {
    expectProblem(await cluster.call('GET', '/v1/process-servers'), 'authentication_required');
    expect(
      (await cluster.call('GET', '/v1/process-servers', { authorization: await cluster.createKey('reader') })).status,
    ).toBe(200);
  });
});

describe('pagination', () => {
  it.each([1, 3, 8, 9, 1000])('in pages of %d returns every entry once, in order of host id', async (limit) => {
    const { entries, pages } = await paginate(`limit=${limit}`);
    const ids = entries.map(({ hostId }) => hostId);
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(8);
    expect(pages.slice(0, -1).every((size) => size === limit)).toBe(true);
    expect(pages).toHaveLength(Math.ceil(8 / limit));
  });

  it('by name', async () => {
    const { entries } = await paginate('limit=3&sort=friendlyName');
    expect(entries.map(({ friendlyName }) => friendlyName)).toEqual(all);
  });

  it('by last heartbeat starts with the longest silent', async () => {
    const { entries } = await paginate('limit=3&sort=lastHeartbeat');
    const order = entries.map(({ friendlyName }) => friendlyName);
    expect(new Set(order).size).toBe(8);
    expect([order.slice(0, 2).sort(), order.slice(2, 4), order.slice(4).sort()]).toEqual([
      ['lost', 'mute'],
      ['slow', 'fine'],
      ['100%_sure', 'aged', 'busy', 'left'],
    ]);
  });

  it('by last heartbeat never repeats an entry that sends a heartbeat between the pages', async () => {
    const first = await list('?sort=lastHeartbeat&limit=3');
    await cluster.advance(5);
    await cluster.heartbeat(known['slow'] as KnownServer);
    await cluster.heartbeat(known['busy'] as KnownServer);
    const { body } = await list(
      `?sort=lastHeartbeat&limit=100&cursor=${encodeURIComponent(first.body.nextCursor ?? '')}`,
    );
    const seen = [...first.body.items, ...body.items].map(({ friendlyName }) => friendlyName);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain('busy');
    expect(seen).toEqual(expect.arrayContaining(['fine', 'aged', 'left', '100%_sure']));
  });

  it('by host id returns every permanent entry exactly once, while others are registered and purged', async () => {
    const there = (await paginate('limit=1000')).entries.map(({ hostId }) => hostId);
    const seen: string[] = [];
    const extras: KnownServer[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: TestResponse<List> = await list(`?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
      seen.push(...body.items.map(({ hostId }) => hostId));
      cursor = body.nextCursor;
      const previous = extras.at(-1);
      if (previous) await cluster.purge(previous.hostId, { generation: 1, force: true });
      if (cursor)
        extras.push(
          await cluster.registered({
            friendlyName: `extra-${extras.length}`,
            ipAddress: `198.51.100.${extras.length}`,
          }),
        );
    }
    expect(seen.filter((hostId) => there.includes(hostId))).toEqual(there);
    for (const { hostId } of extras) await cluster.purge(hostId, { generation: 1, force: true });
  });

  it('has pages of 100 by default', async () => {
    const made = await Promise.all(
      Array.from({ length: 95 }, (_, number) =>
        cluster.registered({ friendlyName: `many-${number}`, ipAddress: `203.0.113.${number}` }),
      ),
    );
    const { body } = await list();
    expect(body.items).toHaveLength(100);
    expect(body.nextCursor).not.toBeNull();
    await Promise.all(made.map(({ hostId }) => cluster.purge(hostId, { generation: 1, force: true })));
  });
});

describe('a cursor', () => {
  const cursorOf = async (query: string): Promise<string> => (await list(`?${query}`)).body.nextCursor ?? '';

  it('continues at another replica, and with another limit', async () => {
    const { status, body } = await list(`?limit=5&cursor=${encodeURIComponent(await cursorOf('limit=2'))}`, 1);
    expect([status, body.items.length]).toEqual([200, 5]);
  });

  it.each(['lifecycle=Registered', 'sort=friendlyName', 'connectionState=Disconnected'])(
    'of the unfiltered list is rejected with %s',
    async (query) => {
      expectProblem(await list(`?${query}&cursor=${encodeURIComponent(await cursorOf('limit=2'))}`), 'invalid_cursor');
    },
  );

  it('of another list is rejected, in both directions', async () => {
    const { body } = await cluster.read<{ nextCursor: string; followCursor: string }>('/v1/events?limit=1');
    expectProblem(await list(`?cursor=${encodeURIComponent(body.nextCursor)}`), 'invalid_cursor');
    expectProblem(
      await cluster.read(`/v1/events?cursor=${encodeURIComponent(await cursorOf('limit=2'))}`),
      'invalid_cursor',
    );
    const hostId = known['fine']?.hostId ?? '';
    expectProblem(
      await cluster.read(`/v1/process-servers/${hostId}/events?cursor=${encodeURIComponent(body.followCursor)}`),
      'invalid_cursor',
    );
  });

  type State = { position: Record<string, unknown>; snapshot: Record<string, unknown> };
  it.each<[string, string, (state: State) => unknown]>([
    ['without a state', 'hostId', () => null],
    ['without a position', 'hostId', ({ snapshot }) => ({ snapshot })],
    ['without its beginning', 'hostId', ({ position }) => ({ position })],
    ['after a host id that is none', 'hostId', (state) => ((state.position['hostId'] = 'ü'), state)],
    ['after a name that is no text', 'friendlyName', (state) => ((state.position['after'] = { a: 1 }), state)],
    ['after a heartbeat that is no number', 'lastHeartbeat', (state) => ((state.position['after'] = '1'), state)],
    ['begun at no instant', 'friendlyName', (state) => ((state.snapshot['atMs'] = 'now'), state)],
    ['begun in the year 10000', 'friendlyName', (state) => ((state.snapshot['atMs'] = 253_402_300_800_000), state)],
    ['begun at no reading of the clock', 'lastHeartbeat', (state) => ((state.snapshot['availableMs'] = '1'), state)],
  ])('with a malformed state is refused: %s', async (_what, sort, change) => {
    const decoded: unknown = JSON.parse(Buffer.from(await cursorOf(`limit=2&sort=${sort}`), 'base64url').toString());
    const [query, state] = decoded as [object, State];
    const cursor = Buffer.from(JSON.stringify([query, change(state)])).toString('base64url');
    expectProblem(await list(`?sort=${sort}&cursor=${cursor}`), 'invalid_cursor');
  });

  it('that was changed anywhere is refused, or shows a page of its query', async () => {
    const cursor = await cursorOf('limit=2');
    for (let at = 0; at < cursor.length; at += 7) {
      const changed = `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`;
      const answer = await list(`?cursor=${encodeURIComponent(changed)}`);
      if (answer.status !== 200) expectProblem(answer, 'invalid_cursor');
    }
  });
});

describe('one process server', () => {
  const url = (): string => `/v1/process-servers/${known['fine']?.hostId ?? ''}`;
  const withTag = (etag: string): Promise<TestResponse> =>
    cluster.call('GET', url(), { authorization: cluster.admin, headers: { 'if-none-match': etag } });

  it('has a weak entity tag of the shown values, equal at every replica', async () => {
    const [here, there] = [await cluster.read(url()), await cluster.read(url(), 1)];
    expect(here.headers['etag']).toMatch(/^W\/"[\w-]+"$/);
    expect(there.headers['etag']).toBe(here.headers['etag']);
    expect(there.body).toEqual(here.body);
  });

  it('is 304 without a body while nothing changes, for each form of the tag', async () => {
    const etag = String((await cluster.read(url())).headers['etag']);
    for (const given of [etag, etag.replace('W/', ''), `"other", ${etag}`, '*']) {
      const { status, body, headers } = await withTag(given);
      expect([status, body, headers['etag']]).toEqual([304, { text: '' }, etag]);
    }
    expect((await withTag('W/"other"')).status).toBe(200);
  });

  it('has a new tag when its computed state changes without a write', async () => {
    const server = await cluster.registered({ friendlyName: 'short', ipAddress: '192.0.2.50' });
    const read = (): Promise<TestResponse> => cluster.read(`/v1/process-servers/${server.hostId}`);
    const connected = await read();
    await cluster.advance(175);
    expect((await read()).headers['etag']).toBe(connected.headers['etag']);
    await cluster.advance(5);
    const disconnected = await read();
    expect(disconnected.body).toMatchObject({ connectionState: 'Disconnected' });
    expect(disconnected.headers['etag']).not.toBe(connected.headers['etag']);
    await cluster.purge(server.hostId, { generation: 1 });
  });
});

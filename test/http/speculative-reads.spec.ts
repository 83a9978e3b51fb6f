import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Query, Res } from '@nestjs/common';
import { newApiKey, sha256 } from '@app/platform';
import type { ProblemCode } from '@app/api-contract';
import { Endpoint } from '../../apps/configuration-server/src/access/endpoint.decorator.js';
import { expectProblem } from '../support/expect-problem.js';
import { nameColumns, TestCluster, type TestResponse } from '../support/test-cluster.js';

const A_SECOND_OF_CALLS = 5;
const LIST = '/v1/process-servers';
const MAX_READS = 10_000;

let cluster: TestCluster;
/** For holding tables. */
let lockHolder: Awaited<ReturnType<TestCluster['database']['connect']>>;
let server: string;
let key: string;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { API_KEY_REQUESTS_PER_SECOND: String(A_SECOND_OF_CALLS) } });
  lockHolder = await cluster.database.connect();
  server = (await cluster.registered()).hostId;
});
beforeEach(async () => {
  key = newApiKey();
  await cluster.database.write('INSERT INTO api_key SET ?', [
    {
      id: randomUUID(),
      ...nameColumns(randomUUID()),
      hash: sha256(key),
      role: 'reader',
      created_at: cluster.clock.now(),
    },
  ]);
});
afterAll(async () => {
  await lockHolder.end();
  await cluster.close();
});

const read = (url: string): Promise<TestResponse> => cluster.call('GET', url, { authorization: `Bearer ${key}` });
/** After the look for it has begun. */
async function revoke(): Promise<void> {
  await waitedFor(1);
  await lockHolder.query('UPDATE api_key SET revoked_at = ? WHERE hash = ?', [cluster.clock.now(), sha256(key)]);
}
const HOLD =
  'LOCK TABLES api_key WRITE, process_server AS p WRITE, process_server_lease AS l WRITE, process_server_health AS h WRITE, process_server AS q WRITE, event AS e WRITE';

/** The tables that statements of the server wait for, once there are so many; none when it is over before. */
async function waitedFor(count: number, isOver = (): boolean => false): Promise<string[]> {
  for (let looks = 0; looks < MAX_READS; looks += 1) {
    if (isOver()) return [];
    const waiting = await cluster.database.rows<{ Info: string; State: string; db: string }>('SHOW FULL PROCESSLIST');
    const tables = waiting
      .filter(({ State, db }) => db === cluster.database.address.database && /table metadata lock/i.test(State))
      .map(({ Info }) => (/api_key/.test(Info) ? 'key' : 'what is asked for'));
    if (tables.length >= count) return tables.sort();
  }
  throw new Error(`never were ${count} waited for`);
}

/** The same, once all that a call begins with has begun: another call has been through the server meanwhile. */
async function waitedForAtFirst(): Promise<string[]> {
  await waitedFor(1);
  for (let call = 0; call < 3; call += 1) await cluster.call('GET', '/health/live');
  return waitedFor(1);
}

/** What a call comes to whose reads are held until `meanwhile` is over. */
async function whileLocked(
  call: () => Promise<TestResponse>,
  meanwhile: () => Promise<unknown>,
): Promise<TestResponse> {
  await lockHolder.query(HOLD);
  try {
    const response = call();
    await meanwhile();
    await lockHolder.query('UNLOCK TABLES');
    return await response;
  } finally {
    await lockHolder.query('UNLOCK TABLES');
  }
}

describe('a list', () => {
  it('waits for the look for a key that was not let in before', async () => {
    let waiting: string[] = [];
    const { status } = await whileLocked(
      () => read(LIST),
      async () => (waiting = await waitedForAtFirst()),
    );
    expect([status, waiting]).toEqual([200, ['key']]);
  });

  it('is read beside the look for a key that was let in a moment ago', async () => {
    await read(LIST);
    let waiting: string[] = [];
    const { status, body } = await whileLocked(
      () => read(LIST),
      async () => (waiting = await waitedFor(2)),
    );
    expect([status, waiting, (body['items'] as unknown[]).length]).toEqual([200, ['key', 'what is asked for'], 1]);
  });

  it('waits again ten seconds later', async () => {
    await read(LIST);
    await cluster.advance(10);
    let waiting: string[] = [];
    await whileLocked(
      () => read(LIST),
      async () => (waiting = await waitedForAtFirst()),
    );
    expect(waiting).toEqual(['key']);
  });

  it('begins nothing for a key that has called too often', async () => {
    cluster.clock.advanceSeconds(1);
    for (let call = 0; call < A_SECOND_OF_CALLS; call += 1) expect((await read(LIST)).status).toBe(200);
    let hasResponse = false;
    const call = (): Promise<TestResponse> => read(LIST).finally(() => (hasResponse = true));
    const response = await whileLocked(call, async () => expect(await waitedFor(1, () => hasResponse)).toEqual([]));
    expectProblem(response, 'request_rate_exceeded');
    cluster.clock.advanceSeconds(1);
    expect((await read(LIST)).status).toBe(200);
  });
});

it('a key that is not presented as one begins nothing', async () => {
  await read(LIST);
  await cluster.call('GET', LIST, { authorization: 'Nonsense' }); // the event of this hour is written
  let hasResponse = false;
  const call = (): Promise<TestResponse> =>
    cluster.call('GET', LIST, { authorization: `Nonsense ${key}` }).finally(() => (hasResponse = true));
  const response = await whileLocked(call, async () => expect(await waitedFor(1, () => hasResponse)).toEqual([]));
  expectProblem(response, 'authentication_required');
});

describe('a key that is revoked while what it asked for is read', () => {
  it.each(['', '?limit=0', '?cursor=guessed', '?__proto__=1'])(
    'is refused, and told nothing else: GET /v1/process-servers%s',
    async (query) => {
      await read(LIST);
      const response = await whileLocked(() => read(LIST + query), revoke);
      expectProblem(response, 'api_key_rejected');
      expect(JSON.stringify(response.body)).not.toContain(server);
      expectProblem(await read(LIST), 'api_key_rejected');
    },
  );

  it('is refused at once, however long the read takes', async () => {
    await read(LIST);
    await cluster.database.write('UPDATE api_key SET revoked_at = ? WHERE hash = ?', [
      cluster.clock.now(),
      sha256(key),
    ]);
    await lockHolder.query('LOCK TABLES process_server WRITE');
    try {
      expectProblem(await read(LIST), 'api_key_rejected');
      expect(await waitedFor(1)).toEqual(['what is asked for']);
    } finally {
      await lockHolder.query('UNLOCK TABLES');
    }
  });

  it.each(['/v1/process-servers/{hostId}/events', '/v1/process-servers/{hostId}/diagnosis', '/v1/events'])(
    'is refused though the read has begun: GET %s',
    async (path) => {
      await read(LIST);
      const meanwhile = async (): Promise<void> => {
        expect(await waitedFor(2)).toEqual(['key', 'what is asked for']);
        await revoke();
      };
      expectProblem(await whileLocked(() => read(path.replace('{hostId}', server)), meanwhile), 'api_key_rejected');
    },
  );

  it('is refused where there is nothing to be found', async () => {
    await read(LIST);
    expectProblem(await whileLocked(() => read(`${LIST}/${randomUUID()}/diagnosis`), revoke), 'api_key_rejected');
  });
});

it.each<[string, ProblemCode]>([
  ['?limit=0', 'validation_failed'],
  ['?cursor=guessed', 'invalid_cursor'],
  ['?__proto__=1', 'validation_failed'],
])('what is wrong with a call is told to one who is let in: %s', async (query, code) => {
  await read(LIST);
  expectProblem(await read(LIST + query), code);
});

describe('a call does not start that begins early and', () => {
  const begins = (permission: 'reader' | 'operator'): MethodDecorator =>
    Endpoint({
      permission,
      isSpeculative: true,
      summary: 'Begins early',
      responses: { 200: { type: null, description: '' } },
    });

  it('is not for readers', () => {
    expect(() => begins('operator')).toThrow(/only a reader's call/);
  });

  it('writes to its answer itself', () => {
    expect(() => {
      class Controller {
        @begins('reader')
        read(@Query() query: unknown, @Res({ passthrough: true }) reply: unknown): unknown {
          return [query, reply];
        }
      }
      return Controller;
    }).toThrow(/may not begin early/);
  });
});

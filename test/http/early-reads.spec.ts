import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Query, Res } from '@nestjs/common';
import { newApiKey, sha256 } from '@app/platform';
import type { ProblemCode } from '@app/wire';
import { Call } from '../../apps/configuration-server/src/access/call.decorator.js';
import { expectProblem } from '../support/expect-problem.js';
import { named, TestSite, type Answer } from '../support/test-site.js';

const A_SECOND_OF_CALLS = 5;
const LIST = '/v1/process-servers';
const MOST_LOOKS = 10_000;

let site: TestSite;
/** For holding tables. */
let holder: Awaited<ReturnType<TestSite['database']['connect']>>;
let server: string;
let key: string;
beforeAll(async () => {
  site = await TestSite.open({ settings: { API_KEY_REQUESTS_PER_SECOND: String(A_SECOND_OF_CALLS) } });
  holder = await site.database.connect();
  server = (await site.registered()).hostId;
});
beforeEach(async () => {
  key = newApiKey();
  await site.database.write('INSERT INTO api_key SET ?', [
    { id: randomUUID(), ...named(randomUUID()), hash: sha256(key), role: 'reader', created_at: site.clock.now() },
  ]);
});
afterAll(async () => {
  await holder.end();
  await site.close();
});

const read = (url: string): Promise<Answer> => site.call('GET', url, { authorization: `Bearer ${key}` });
/** After the look for it has begun. */
async function revoke(): Promise<void> {
  await waitedFor(1);
  await holder.query('UPDATE api_key SET revoked_at = ? WHERE hash = ?', [site.clock.now(), sha256(key)]);
}
const HOLD =
  'LOCK TABLES api_key WRITE, process_server AS p WRITE, process_server_lease AS l WRITE, process_server_health AS h WRITE, process_server AS q WRITE, event AS e WRITE';

/** The tables that statements of the server wait for, once there are so many; none when it is over before. */
async function waitedFor(count: number, isOver = (): boolean => false): Promise<string[]> {
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    if (isOver()) return [];
    const waiting = await site.database.rows<{ Info: string; State: string; db: string }>('SHOW FULL PROCESSLIST');
    const tables = waiting
      .filter(({ State, db }) => db === site.database.address.database && /table metadata lock/i.test(State))
      .map(({ Info }) => (/api_key/.test(Info) ? 'key' : 'what is asked for'));
    if (tables.length >= count) return tables.sort();
  }
  throw new Error(`never were ${count} waited for`);
}

/** The same, once all that a call begins with has begun: another call has been through the server meanwhile. */
async function waitedForAtFirst(): Promise<string[]> {
  await waitedFor(1);
  for (let call = 0; call < 3; call += 1) await site.call('GET', '/health/live');
  return waitedFor(1);
}

/** What a call comes to whose reads are held until `meanwhile` is over. */
async function whileHeld(call: () => Promise<Answer>, meanwhile: () => Promise<unknown>): Promise<Answer> {
  await holder.query(HOLD);
  try {
    const answer = call();
    await meanwhile();
    await holder.query('UNLOCK TABLES');
    return await answer;
  } finally {
    await holder.query('UNLOCK TABLES');
  }
}

describe('a list', () => {
  it('waits for the look for a key that was not let in before', async () => {
    let waiting: string[] = [];
    const { status } = await whileHeld(
      () => read(LIST),
      async () => (waiting = await waitedForAtFirst()),
    );
    expect([status, waiting]).toEqual([200, ['key']]);
  });

  it('is read beside the look for a key that was let in a moment ago', async () => {
    await read(LIST);
    let waiting: string[] = [];
    const { status, body } = await whileHeld(
      () => read(LIST),
      async () => (waiting = await waitedFor(2)),
    );
    expect([status, waiting, (body['items'] as unknown[]).length]).toEqual([200, ['key', 'what is asked for'], 1]);
  });

  it('waits again ten seconds later', async () => {
    await read(LIST);
    await site.pass(10);
    let waiting: string[] = [];
    await whileHeld(
      () => read(LIST),
      async () => (waiting = await waitedForAtFirst()),
    );
    expect(waiting).toEqual(['key']);
  });

  it('begins nothing for a key that has called too often', async () => {
    site.clock.advanceSeconds(1);
    for (let call = 0; call < A_SECOND_OF_CALLS; call += 1) expect((await read(LIST)).status).toBe(200);
    let isAnswered = false;
    const call = (): Promise<Answer> => read(LIST).finally(() => (isAnswered = true));
    const answer = await whileHeld(call, async () => expect(await waitedFor(1, () => isAnswered)).toEqual([]));
    expectProblem(answer, 'request_rate_exceeded');
    site.clock.advanceSeconds(1);
    expect((await read(LIST)).status).toBe(200);
  });
});

it('a key that is not presented as one begins nothing', async () => {
  await read(LIST);
  await site.call('GET', LIST, { authorization: 'Nonsense' }); // the event of this hour is written
  let isAnswered = false;
  const call = (): Promise<Answer> =>
    site.call('GET', LIST, { authorization: `Nonsense ${key}` }).finally(() => (isAnswered = true));
  const answer = await whileHeld(call, async () => expect(await waitedFor(1, () => isAnswered)).toEqual([]));
  expectProblem(answer, 'authentication_required');
});

describe('a key that is revoked while what it asked for is read', () => {
  it.each(['', '?limit=0', '?cursor=guessed', '?__proto__=1'])(
    'is refused, and told nothing else: GET /v1/process-servers%s',
    async (query) => {
      await read(LIST);
      const answer = await whileHeld(() => read(LIST + query), revoke);
      expectProblem(answer, 'api_key_rejected');
      expect(JSON.stringify(answer.body)).not.toContain(server);
      expectProblem(await read(LIST), 'api_key_rejected');
    },
  );

  it('is refused at once, however long the read takes', async () => {
    await read(LIST);
    await site.database.write('UPDATE api_key SET revoked_at = ? WHERE hash = ?', [site.clock.now(), sha256(key)]);
    await holder.query('LOCK TABLES process_server WRITE');
    try {
      expectProblem(await read(LIST), 'api_key_rejected');
      expect(await waitedFor(1)).toEqual(['what is asked for']);
    } finally {
      await holder.query('UNLOCK TABLES');
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
      expectProblem(await whileHeld(() => read(path.replace('{hostId}', server)), meanwhile), 'api_key_rejected');
    },
  );

  it('is refused where there is nothing to be found', async () => {
    await read(LIST);
    expectProblem(await whileHeld(() => read(`${LIST}/${randomUUID()}/diagnosis`), revoke), 'api_key_rejected');
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
  const begins = (permits: 'reader' | 'operator'): MethodDecorator =>
    Call({ permits, beginsEarly: true, summary: 'Begins early', answers: { 200: { type: null, description: '' } } });

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

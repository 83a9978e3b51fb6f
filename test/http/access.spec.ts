import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newApiKey, sha256 } from '@app/platform';
import { PROBLEMS, type ProblemCode } from '@app/api-contract';
import { assertEveryRouteHasPermission } from '../../apps/configuration-server/src/access/route-permissions.js';
import { OPENAPI_FILE, projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';
import { parseResponse } from '../support/expect-problem.js';
import { nameColumns, TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';

const PAGE = join(projectRoot(), 'docs', 'access.md');
/** Problem codes that reject a caller. Any other response means that the route accepted the caller. */
const REJECTIONS = new Set([
  'authentication_required',
  'passphrase_rejected',
  'credential_rejected',
  'credential_revoked',
  'api_key_rejected',
  'permission_denied',
  'enrolment_rejected',
]);
const CALLERS = [
  'anonymous',
  'wrong key',
  'expired key',
  'revoked key',
  'reader',
  'operator',
  'admin',
  'the process server',
  'another one',
  'passphrase',
  'wrong passphrase',
  'enrolment',
] as const;
type CallerName = (typeof CALLERS)[number];

let cluster: TestCluster;
let authorizations: Record<Exclude<CallerName, 'the process server' | 'anonymous'>, string>;
beforeAll(async () => {
  cluster = await TestCluster.open();
  const past = cluster.clock.now();
  const other = await cluster.registered({ friendlyName: 'other', ipAddress: '192.0.2.2' });
  authorizations = {
    'wrong key': `Bearer ${newApiKey()}`,
    'expired key': await adminKeyThat({ expires_at: past }),
    'revoked key': await adminKeyThat({ revoked_at: past }),
    reader: await cluster.createKey('reader'),
    operator: await cluster.createKey('operator'),
    admin: await cluster.createKey('admin'),
    'another one': `Bearer ${other.credential}`,
    passphrase: cluster.passphrase,
    'wrong passphrase': 'Passphrase AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA',
    enrolment: `Enrolment ${(await cluster.createEnrolment()).file.token}`,
  };
});
afterAll(() => cluster.close());

async function adminKeyThat(over: Record<string, Date>): Promise<string> {
  const key = newApiKey();
  await cluster.database.write('INSERT INTO api_key SET ?', [
    {
      id: randomUUID(),
      ...nameColumns(randomUUID()),
      hash: sha256(key),
      role: 'admin',
      created_at: cluster.clock.now(),
      ...over,
    },
  ]);
  return `Bearer ${key}`;
}

const document = JSON.parse(readFileSync(OPENAPI_FILE, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};
const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.keys(methods).map((method) => ({ method: method.toUpperCase() as 'GET', path })),
);

/** A request without a body: it gets past authorisation but not past validation where the route requires a body. */
function call(
  caller: CallerName,
  { method, path }: { method: 'GET'; path: string },
  server: KnownServer,
): Promise<TestResponse> {
  const url = path.replace('{hostId}', server.hostId).replace(/\{\w+\}/g, randomUUID());
  if (caller === 'anonymous') return cluster.call(method, url);
  return cluster.call(method, url, {
    authorization: caller === 'the process server' ? `Bearer ${server.credential}` : authorizations[caller],
  });
}

/** Counts events of changes, without the audit of rejections. */
const changes = async (): Promise<unknown> =>
  (await cluster.database.rows('SELECT COUNT(*) AS count FROM event WHERE kind NOT LIKE ?', ['refused%']))[0];

async function verdict(
  caller: CallerName,
  route: { method: 'GET'; path: string },
  server: KnownServer,
): Promise<string> {
  const before = await changes();
  const { status, body } = await call(caller, route, server);
  const code = String(body['code']);
  if (status < 500 && status !== 429 && !REJECTIONS.has(code)) return 'yes';
  expect([...REJECTIONS]).toContain(code);
  expect([code, status]).toEqual([code, PROBLEMS[code as ProblemCode].status]);
  expect(await changes()).toEqual(before);
  return String(status);
}

describe('access control', () => {
  it('matches docs/access.md for each route and each kind of caller', async () => {
    const lines: string[] = [];
    const registered = (): Promise<KnownServer> =>
      cluster.registered({ friendlyName: randomUUID(), ipAddress: '192.0.2.1' });
    let server = await registered();
    for (const route of routes) {
      await cluster.simulateOutage(600); // failed authentications count for ten minutes
      const cells: string[] = [];
      for (const caller of CALLERS) {
        const cell = await verdict(caller, route, server);
        cells.push(cell);
        if (cell === 'yes' && route.method !== 'GET') server = await registered(); // the call may have changed the previous one
      }
      lines.push(`| \`${route.method} ${route.path}\` | ${cells.join(' | ')} |`);
    }
    const table = [`| Route | ${CALLERS.join(' | ')} |`, `| --- |${' --- |'.repeat(CALLERS.length)}`, ...lines];
    expect(
      readFileSync(PAGE, 'utf8')
        .split('\n')
        .map((line) => line.replace(/ +\|/g, ' |').replace(/-{4,}/g, '---'))
        .filter((line) => line.startsWith('| ') && line.split(' | ').length > CALLERS.length),
    ).toEqual(table);
  });

  it('changes nothing for a rejected caller, even with a valid body', async () => {
    const server = await cluster.registered({ friendlyName: 'kept', ipAddress: '192.0.2.3' });
    const bodies: [method: 'POST' | 'PUT' | 'DELETE', url: string, body?: object][] = [
      ['POST', `/v1/process-servers/${server.hostId}/purge`, { generation: 1, reason: 'attack', force: true }],
      ['POST', `/v1/process-servers/${server.hostId}/revoke-credential`, { generation: 1, reason: 'attack' }],
      ['DELETE', `/v1/process-servers/${server.hostId}?force=true&reason=attack`],
      ['POST', '/v1/purges', { friendlyName: 'kept' }],
      ['POST', '/v1/api-keys', { name: 'mine', role: 'admin' }],
      ['POST', '/v1/passphrases', { overlapSeconds: 0 }],
      ['POST', '/v1/enrolments', { note: 'mine' }],
    ];
    await cluster.simulateOutage(600);
    const clearRejections = (): Promise<number> =>
      cluster.database.write('DELETE FROM event WHERE kind LIKE ?', ['refused%']);
    await clearRejections();
    const before = await cluster.fingerprint();
    for (const caller of [
      'anonymous',
      'wrong key',
      'expired key',
      'revoked key',
      'reader',
      'another one',
      'passphrase',
      'wrong passphrase',
      'enrolment',
    ] as const) {
      cluster.clock.advanceSeconds(600); // failed authentications count for ten minutes
      for (const [method, url, body] of bodies) {
        const authorization = caller === 'anonymous' ? '' : authorizations[caller];
        const { status } = await cluster.call(method, url, { ...(body && { body }), authorization });
        expect([caller, url, [401, 403].includes(status)]).toEqual([caller, url, true]);
      }
    }
    // Only the event of the rejection itself may differ.
    await clearRejections();
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('lets every role read the audit log and none change it', async () => {
    for (const role of ['reader', 'operator', 'admin'] as const) {
      const [event] = (
        await cluster.call<{ items: { id: string }[] }>('GET', '/v1/events', { authorization: authorizations[role] })
      ).body.items;
      for (const method of ['PUT', 'POST', 'DELETE'] as const) {
        for (const [url, status] of [
          ['/v1/events', 405],
          [`/v1/events/${event?.id}`, 404],
        ] as const) {
          expect(
            (
              await cluster.call(method, url, {
                authorization: authorizations[role],
                ...(method !== 'DELETE' && { body: {} }),
              })
            ).status,
          ).toBe(status);
        }
      }
    }
  });
});

describe('a rejected caller', () => {
  interface Line {
    readonly msg: string;
    readonly requestId: string;
  }
  const linesSince = (first: number): Line[] =>
    cluster.log
      .slice(first)
      .map((line) => JSON.parse(line) as Line)
      .filter(({ msg }) => msg === 'a caller was rejected');
  const auditOf = async (address: string): Promise<Record<string, unknown>[]> =>
    cluster.database.rows(
      'SELECT kind, actor, host_id, source_address, request_id, detail FROM event WHERE kind LIKE ? AND source_address = ? ORDER BY id',
      ['refused%', address],
    );

  it.each<[string, string, () => string, Record<string, unknown>]>([
    ['authentication_required', 'unknown-caller', () => '', {}],
    [
      'api_key_rejected',
      'unknown-caller',
      () => authorizations['wrong key'],
      { keyPrefix: expect.stringMatching(/^csk_.{8}$/) },
    ],
    ['api_key_rejected', 'unknown-caller', () => 'Bearer my-own-secret', {}],
    [
      'permission_denied',
      'operator:',
      () => authorizations.reader,
      { keyId: expect.any(String), keyName: expect.stringMatching(/^reader-/) },
    ],
    ['permission_denied', 'unknown-caller', () => authorizations['another one'], {}],
  ])(
    '%s: %s is logged each time and audited once an hour, with the call and without a secret',
    async (code, actor, authorization, who) => {
      await cluster.simulateOutage(3_600);
      await cluster.database.write('DELETE FROM event WHERE kind LIKE ?', ['refused%']);
      const [hostId, first] = [randomUUID(), cluster.log.length];
      const purge = (): Promise<TestResponse> =>
        cluster.call('POST', `/v1/process-servers/${hostId}/purge`, {
          body: {},
          authorization: authorization(),
          address: '127.0.0.31',
        });
      const responses = [await purge(), await purge()];
      const facts = { code, call: 'POST /v1/process-servers/{hostId}/purge', hostId, ...who };
      expect(linesSince(first)).toEqual(
        responses.map(({ body }) =>
          expect.objectContaining({ level: 40, ...facts, address: '127.0.0.31', requestId: body['requestId'] }),
        ),
      );
      expect(await auditOf('127.0.0.31')).toEqual([
        {
          kind: `refused_${code}`,
          actor: expect.stringMatching(`^${actor}`),
          host_id: null,
          source_address: '127.0.0.31',
          request_id: responses[0]?.body['requestId'],
          detail: facts,
        },
      ]);
      expect(cluster.log.slice(first).join('')).not.toContain('my-own-secret');
      await cluster.simulateOutage(3_600);
      await purge();
      expect(await auditOf('127.0.0.31')).toHaveLength(2);
    },
  );

  it('audits rejected heartbeats and registrations too, and only once if the timeline of the host has the event', async () => {
    await cluster.simulateOutage(3_600);
    const server = await cluster.registered({ friendlyName: 'refused', ipAddress: '192.0.2.9' });
    const url = `/v1/process-servers/${server.hostId}`;
    await cluster.call('POST', `${url}/heartbeats`, {
      body: { generation: 1 },
      authorization: 'Bearer psc_forged',
      address: '127.0.0.32',
    });
    await cluster.call('PUT', url, { body: {}, authorization: 'Passphrase wrong', address: '127.0.0.32' });
    expect((await auditOf('127.0.0.32')).map(({ kind, host_id: of }) => [kind, of]).sort()).toEqual([
      ['refused_credential_rejected', null],
      ['refused_passphrase_rejected', null],
    ]);
    await cluster.call('POST', `${url}/revoke-credential`, {
      body: { generation: 1, reason: 'test' },
      authorization: cluster.admin,
    });
    const first = cluster.log.length;
    await cluster.call('POST', `${url}/heartbeats`, {
      body: { generation: 1 },
      authorization: `Bearer ${server.credential}`,
      address: '127.0.0.33',
    });
    expect((await auditOf('127.0.0.33')).map(({ kind, host_id: of }) => [kind, of])).toEqual([
      ['refused_credential_revoked', server.hostId],
    ]);
    expect(linesSince(first)).toMatchObject([
      {
        code: 'credential_revoked',
        call: 'POST /v1/process-servers/{hostId}/heartbeats',
        hostId: server.hostId,
        address: '127.0.0.33',
      },
    ]);
  });

  const BROKEN = ['{"generation":', '{"__proto__":{}}', `"${'x'.repeat(70_000)}"`, '[[1]]'];
  it.each<['POST' | 'PUT' | 'GET', string, string, string]>([
    ['POST', '/v1/process-servers/{hostId}/heartbeats', 'Bearer psc_forged', 'credential_rejected'],
    ['PUT', '/v1/process-servers/{hostId}', 'Passphrase wrong', 'passphrase_rejected'],
    ['POST', '/v1/process-servers/{hostId}/preflight', '', 'authentication_required'],
    ['POST', '/v1/process-servers/{hostId}/purge', 'Bearer csk_wrong', 'api_key_rejected'],
    ['POST', '/v1/purges', 'Bearer psc_forged', 'permission_denied'],
  ])('rejects %s %s as "%s" with %s before it validates the body', async (method, path, authorization, code) => {
    for (const body of BROKEN) {
      await cluster.simulateOutage(600);
      const response = await cluster.call(method, path.replace('{hostId}', randomUUID()), { body, authorization });
      expect([body.slice(0, 20), response.body['code']]).toEqual([body.slice(0, 20), code]);
    }
  });

  it('lists the validation errors to an authorised caller', async () => {
    for (const [body, code] of [
      ['{"generation":', 'malformed_json'],
      [`"${'x'.repeat(70_000)}"`, 'body_too_large'],
    ] as const) {
      const responses = [
        await cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, { body, authorization: cluster.passphrase }),
        await cluster.call('POST', '/v1/purges', { body, authorization: cluster.admin }),
      ];
      expect(responses.map((response) => response.body['code'])).toEqual([code, code]);
    }
  });
});

describe('security headers', () => {
  it.each<[string, () => Promise<TestResponse>]>([
    ['of a route', () => cluster.read('/v1/fleet')],
    ['of a rejected call', () => cluster.call('GET', '/v1/fleet')],
    ['of an unknown path', () => cluster.call('GET', '/v1/nothing')],
    [
      'of a rejected heartbeat',
      () => cluster.call('POST', `/v1/process-servers/${randomUUID()}/heartbeats`, { body: {} }),
    ],
    ['of the documentation', () => cluster.call('GET', '/docs')],
    ['to bytes that are not HTTP', async () => parseResponse(await cluster.raw('hello\r\n\r\n'))],
  ])('%s forbid framing, MIME sniffing, storing and a Referer', async (_what, ask) => {
    const { headers } = await ask();
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers['content-security-policy']).toMatch(/^default-src '(none|self)';.*frame-ancestors 'none'$/);
    expect(headers['strict-transport-security']).toBeUndefined();
  });
});

describe('a route without a declared permission', () => {
  @Controller('v1/open')
  class Open {
    @Get('unprotected')
    unprotected(): string {
      return 'open';
    }
  }

  it('prevents the server from starting', () => {
    expect(() => assertEveryRouteHasPermission([Open])).toThrow('Routes without a permission: GET v1/open/unprotected');
  });
});

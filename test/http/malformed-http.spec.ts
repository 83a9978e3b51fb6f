import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OPENAPI_FILE } from '../../apps/configuration-server/src/openapi/openapi-file.js';
import { parseResponse } from '../support/expect-problem.js';
import { aRegistration, TestCluster } from '../support/test-cluster.js';
import { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let still: UnchangedState;
beforeAll(async () => {
  cluster = await TestCluster.open();
  await cluster.registered();
  still = await UnchangedState.of(cluster);
});
afterAll(() => cluster.close());

const DOCUMENT = JSON.parse(readFileSync(OPENAPI_FILE, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
};

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);
const url = (hostId: string): string => `/v1/process-servers/${hostId}`;

describe('an unknown path or method', () => {
  it.each<['GET' | 'POST' | 'PUT' | 'DELETE', string]>([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v2/process-servers'],
    ['GET', '/v1/process-servers/'],
    ['GET', '/V1/process-servers'],
    ['GET', '/docs/../package.json'],
    ['GET', '/docs/%2e%2e/package.json'],
    ['GET', '//evil.example.net'],
  ])('%s %s', async (method, path) => {
    await rejected(
      await cluster.call(method, path, { authorization: cluster.admin, ...(method !== 'GET' && { body: {} }) }),
      'route_not_found',
    );
  });

  it.each<[string, string, string]>([
    ['POST', '/v1/process-servers', 'GET, HEAD'],
    ['DELETE', '/v1/fleet', 'GET, HEAD'],
    ['PUT', url(`${randomUUID()}/heartbeats`), 'POST'],
    ['GET', url(`${randomUUID()}/heartbeats`), 'POST'],
    ['HEAD', url(`${randomUUID()}/purge`), 'POST'],
    ['POST', url(randomUUID()), 'DELETE, GET, HEAD, PUT'],
    ['POST', url('heartbeats'), 'DELETE, GET, HEAD, PUT'],
    ['PATCH', url('x'), 'DELETE, GET, HEAD, PUT'],
    ['POST', '/v1/fl%65et?a=b', 'GET, HEAD'],
    ['POST', '/health/live', 'GET, HEAD'],
    ['DELETE', '/metrics', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['PUT', '/docs', 'GET, HEAD'],
    ['PATCH', '/v1/fleet', 'GET, HEAD'],
    ['OPTIONS', '/v1/fleet', 'GET, HEAD'],
    ['OPTIONS', url(`${randomUUID()}/heartbeats`), 'POST'],
    ['TRACE', '/v1/fleet', 'GET, HEAD'],
    ['PROPFIND', '/v1/fleet', 'GET, HEAD'],
    ['QUERY', '/v1/events', 'GET, HEAD'],
  ])('rejects an unsupported method: %s %s, which allows %s', async (method, path, allow) => {
    const body = method === 'HEAD' || method === 'GET' ? '\r\n' : 'Content-Length: 1\r\n\r\n{';
    const response = parseResponse(
      await cluster.raw(`${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${body}`),
    );
    if (method === 'HEAD') expect(response).toMatchObject({ status: 405, body: null });
    else await rejected(response, 'method_not_allowed');
    expect(response.headers['allow']).toBe(allow);
  });

  it('rejects every undocumented method on every documented path', async () => {
    for (const [path, operations] of Object.entries(DOCUMENT.paths)) {
      const allow = Object.keys(operations).flatMap((method) =>
        method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
      );
      for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'].filter(
        (each) => !allow.includes(each),
      )) {
        const response = parseResponse(
          await cluster.raw(
            `${method} ${path.replace(/\{\w+\}/g, randomUUID())} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
          ),
        );
        expect([method, path, response.status, response.headers['allow']]).toEqual([
          method,
          path,
          405,
          allow.sort().join(', '),
        ]);
      }
    }
    await still.expectUnchanged();
  });

  it.each(['/v1/process-servers/%zz', '/v1/process-servers/%', '/%ff%fe', `/v1/process-servers/%c3%28`])(
    'rejects a path that cannot be decoded: %s',
    async (path) => {
      await rejected(
        parseResponse(await cluster.raw(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)),
        'malformed_request',
      );
    },
  );
});

describe('malformed HTTP', () => {
  it.each([
    ['not HTTP', 'hello\r\n\r\n'],
    ['an unknown method', 'BREW /v1/fleet HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an unknown version', 'GET /v1/fleet HTTP/9.9\r\nHost: a\r\n\r\n'],
    ['a header without a colon', 'GET /v1/fleet HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n'],
    ['a header name with a space', 'GET /v1/fleet HTTP/1.1\r\nHost: a\r\na b: c\r\n\r\n'],
    ['a NUL in a header', 'GET /v1/fleet HTTP/1.1\r\nHost: a\r\na: b\u0000c\r\n\r\n'],
    ['two lengths', 'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'],
    ['an invalid length', 'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Length: two\r\n\r\n{}'],
    ['a negative length', 'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n{}'],
    [
      'a length and chunks',
      'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'an invalid chunk size',
      'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    ],
    ['a CONNECT request', 'CONNECT example.net:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS ClientHello', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
  ])('%s', async (_what, bytes) => {
    await rejected(parseResponse(await cluster.raw(Buffer.from(bytes, 'latin1'))), 'malformed_request');
  });

  it.each([
    ['a CONNECT request', 'CONNECT example.net:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['not HTTP', 'hello\r\n\r\n'],
    ['a valid request', 'GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('survives the reset of a connection with %s on it', async (_what, bytes) => {
    for (const when of ['before the answer', 'after the answer', 'after more'] as const)
      await cluster.reset(bytes, when);
    await still.expectUnchanged();
  });

  it('logs a failed accept, as without free file descriptors, and survives it', async () => {
    cluster
      .replica()
      .http.getHttpServer()
      .emit('error', Object.assign(new Error('accept ENFILE'), { code: 'ENFILE' }));
    expect(cluster.errorLines).toEqual([expect.stringContaining('ENFILE')]);
    cluster.log.length = 0;
    await still.expectUnchanged();
  });

  it('rejects HTTP/1.1 without a Host; HTTP/1.0 needs none', async () => {
    await rejected(
      parseResponse(await cluster.raw('GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n')),
      'malformed_request',
    );
    expect(parseResponse(await cluster.raw('GET /health/live HTTP/1.0\r\n\r\n')).status).toBe(200);
  });

  it.each(['cake', '100-continue, cake'])('rejects an unknown expectation: %s', async (expectation) => {
    const text = await cluster.raw(
      `GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: ${expectation}\r\n\r\n`,
    );
    await rejected(parseResponse(text.replace('HTTP/1.1 100 Continue\r\n\r\n', '')), 'expectation_failed');
  });

  it('answers 100-continue', async () => {
    expect(
      await cluster.raw('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-Continue\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 100 .*HTTP\/1\.1 200 /s);
  });

  it.each([1, 2, 3])('answers %d earlier requests on the connection first', async (count) => {
    const text = await cluster.raw(`${'GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(count)}hello\r\n\r\n`);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))).toEqual([
      ...Array.from({ length: count }, () => 200),
      400,
    ]);
    await rejected(parseResponse(text.slice(text.lastIndexOf('HTTP/1.1'))), 'malformed_request');
  });

  it('answers the request in flight and the malformed one, in two pieces, once each', async () => {
    const text = await cluster.raw(
      `GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n\r\n${'hello\r\n\r\n'.repeat(20_000)}`,
    );
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))).toEqual([200, 400]);
    await still.expectUnchanged();
  });

  it.each([
    'Host: b',
    'authorization: Bearer x\r\nAuthorization: Bearer y',
    'Content-Type: application/json\r\nContent-Type: text/plain',
  ])('rejects a repeated singleton header: %s', async (headers) => {
    await rejected(
      parseResponse(
        await cluster.raw(`GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n\r\n`),
      ),
      'malformed_request',
    );
  });

  it.each(['Content-Length: 2\r\n\r\n{}', 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n'])(
    'rejects a body of a method that takes none: %s',
    async (rest) => {
      await rejected(
        parseResponse(await cluster.raw(`GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${rest}`)),
        'validation_failed',
        'body',
      );
    },
  );

  it('evaluates a header after 2,500 others', async () => {
    const others = Array.from({ length: 2_500 }, (_, number) => `${number.toString(36)}:`).join('\r\n');
    const text = await cluster.raw(
      `GET /v1/fleet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${others}\r\nAuthorization: ${cluster.admin}\r\n\r\n`,
    );
    expect(parseResponse(text).status).toBe(200);
  });

  it.each([
    ['Transfer-Encoding: gzip\r\n\r\nnonsense', 415],
    ['Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 415],
    ['Expect: cake\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 417],
  ])('sends one response when the body breaks after an early response (%s)', async (rest, status) => {
    const text = await cluster.raw(`POST /v1/purges HTTP/1.1\r\nHost: a\r\nAuthorization: ${cluster.admin}\r\n${rest}`);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, given]) => Number(given))).toEqual([status]);
    await still.expectUnchanged();
  });

  it('answers a request rejected before its body, and the malformed one after it, once each', async () => {
    const text = await cluster.raw(
      `POST /v1/purges HTTP/1.1\r\nHost: a\r\nAuthorization: ${cluster.admin}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}hello\r\n\r\n`,
    );
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))).toEqual([415, 400]);
    await still.expectUnchanged();
  });

  it('rejects headers of 20 KB', async () => {
    await rejected(
      parseResponse(await cluster.raw(`GET /v1/fleet HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)),
      'headers_too_large',
    );
  });

  it('changes nothing when the connection ends before the declared length', async () => {
    const body = JSON.stringify(aRegistration());
    const head = `PUT ${url(randomUUID())} HTTP/1.1\r\nHost: a\r\nAuthorization: ${cluster.passphrase}\r\nContent-Type: application/json\r\nContent-Length: ${body.length + 10}\r\n\r\n`;
    const text = await cluster.raw(head + body, { hangUp: true });
    if (text) await rejected(parseResponse(text), 'malformed_request');
    await still.expectUnchanged();
  });

  it('changes nothing when the connection ends in the middle of a header', async () => {
    const text = await cluster.raw('GET /v1/fl', { hangUp: true });
    if (text) await rejected(parseResponse(text), 'malformed_request');
    await still.expectUnchanged();
  });
});

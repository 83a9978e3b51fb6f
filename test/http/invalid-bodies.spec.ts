import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseResponse } from '../support/expect-problem.js';
import { openInvalidRequestSite, processServerUrl as url } from '../support/invalid-requests.js';
import { aRegistration, type TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';
import type { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let server: KnownServer;
let still: UnchangedState;
beforeAll(async () => {
  ({ cluster, server, still } = await openInvalidRequestSite());
});
afterAll(() => cluster.close());

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);
const registerText = (
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<TestResponse> =>
  cluster.call('PUT', url(randomUUID()), { body, headers, authorization: cluster.passphrase });

describe('an unreadable body', () => {
  const whole = JSON.stringify(aRegistration());

  it.each<[string, string | Buffer]>([
    ['that is truncated', whole.slice(0, -10)],
    ['with an additional comma', whole.replace('}', ',}')],
    ['with two values', `${whole}${whole}`],
    ['that is not JSON', 'friendlyName=ps'],
    ['with single quotes', "{'a':1}"],
    ['with NaN', whole.replace('"cpuCores":8', '"cpuCores":NaN')],
    ['with Infinity', whole.replace('"cpuCores":8', '"cpuCores":-Infinity')],
    ['with a comment', `/* a */${whole}`],
    [
      'in invalid UTF-8',
      Buffer.concat([Buffer.from(whole.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])]),
    ],
    ['in UTF-16', Buffer.from(whole, 'utf16le')],
    ['with __proto__', whole.replace('{', '{"__proto__":{"admin":true},')],
    ['with a nested __proto__', whole.replace('{', '{"proxy":{"used":true,"__proto__":{"admin":true}},')],
    ['with constructor.prototype', whole.replace('{', '{"constructor":{"prototype":{"admin":true}},')],
    ['of a single NUL', '\u0000'],
    ['of a single space', ' '],
  ])('%s', async (_what, body) => {
    await rejected(await registerText(body), 'malformed_json');
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it.each(['null', '1', '"x"', '[]', '[{}]', 'true', '{}', `[${whole}]`, ''])(
    'that is JSON but not a registration: %s',
    async (body) => {
      await rejected(await registerText(body), 'validation_failed');
    },
  );

  it.each(['null', '1', '"x"', '[]', '{}', ''])('that is JSON but not a heartbeat: %s', async (body) => {
    const response = await cluster.call('POST', `${url(server.hostId)}/heartbeats`, {
      body,
      headers: { 'content-type': 'application/json' },
      authorization: `Bearer ${server.credential}`,
    });
    await rejected(response, 'validation_failed');
  });

  it.each([
    ['/v1/purges', 'null', 'validation_failed'],
    ['/v1/purges', '', 'validation_failed'],
    ['/v1/purges', '{}', 'empty_filter'],
    ['/v1/passphrases', 'null', 'validation_failed'],
    ['/v1/passphrases', '', 'validation_failed'],
    ['/v1/passphrases', '[]', 'validation_failed'],
  ] as const)('of %s that is not an object with values: %j', async (path, body, code) => {
    await rejected(
      await cluster.call('POST', path, {
        body,
        headers: { 'content-type': 'application/json' },
        authorization: cluster.admin,
      }),
      code,
    );
  });

  it.each(['1', '"x"', '[]', '[{"friendlyName":"ps"}]', 'true'])(
    'that is JSON but not an object, for a plan: %s',
    async (body) => {
      await rejected(
        await cluster.call('POST', '/v1/purges', {
          body,
          headers: { 'content-type': 'application/json' },
          authorization: cluster.admin,
        }),
        'validation_failed',
      );
    },
  );

  it('that is missing', async () => {
    await rejected(
      await cluster.call('PUT', url(randomUUID()), { authorization: cluster.passphrase }),
      'validation_failed',
    );
  });

  it.each([
    ['a known field', '"proxy":'],
    ['an unknown field', '"colour":'],
  ])('nested 10,000 deep in %s', async (_what, field) => {
    await rejected(
      await registerText(whole.replace('{', `{${field}${'['.repeat(10_000)}${']'.repeat(10_000)},`)),
      'validation_failed',
    );
    await rejected(
      await registerText(whole.replace('{', `{${field}${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)},`)),
      'validation_failed',
    );
  });

  it('of 10 MB', async () => {
    await rejected(
      await registerText(JSON.stringify(aRegistration({ friendlyName: 'x'.repeat(10_000_000) }))),
      'body_too_large',
    );
  });

  it('one byte above 64 KiB; a body of 64 KiB is accepted', async () => {
    const padded = (length: number): string => whole + ' '.repeat(length - Buffer.byteLength(whole));
    await rejected(await registerText(padded(65_537)), 'body_too_large');
    const response = await cluster.call('POST', `${url(server.hostId)}/preflight`, {
      body: padded(65_536),
      headers: { 'content-type': 'application/json' },
      authorization: cluster.passphrase,
    });
    expect(response.status).toBe(200);
    await still.expectUnchanged();
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/json-seq',
    'multipart/form-data; boundary=a',
    'nonsense',
    ';',
  ])('of type %s', async (type) => {
    await rejected(await registerText(whole, { 'content-type': type }), 'unsupported_media_type');
  });

  it.each<[string, Record<string, string>]>([
    ['gzip', { 'content-encoding': 'gzip' }],
    ['two codings', { 'content-encoding': 'identity, br' }],
    ['ISO 8859-1', { 'content-type': 'application/json; charset=iso-8859-1' }],
    ['UTF-16 in quotes', { 'content-type': 'application/json;charset="utf-16"' }],
    ['an empty charset', { 'content-type': 'application/json; charset=' }],
  ])('declared as %s', async (_what, headers) => {
    await rejected(
      await registerText(whole, { 'content-type': 'application/json', ...headers }),
      'unsupported_media_type',
    );
  });

  it('with a transfer coding', async () => {
    const text = await cluster.raw(
      `PUT ${url(randomUUID())} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    );
    await rejected(parseResponse(text), 'unsupported_media_type');
  });

  it.each([
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=utf8',
    'application/json; version=1',
  ])('but accepts type %s', async (type) => {
    const headers = { 'content-type': type, 'content-encoding': 'identity' };
    const response = await cluster.call('POST', `${url(server.hostId)}/preflight`, {
      body: whole,
      headers,
      authorization: cluster.passphrase,
    });
    expect(response.status).toBe(200);
    await still.expectUnchanged();
  });
});

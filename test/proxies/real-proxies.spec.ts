import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { readSettings } from '@app/platform';
import type { EventDto } from '@app/api-contract';
import { aRegistration, TestCluster } from '../support/test-cluster.js';
import { PROXY, RealProxies, type Routes } from './real-proxies.js';

const folder = mkdtempSync(join(tmpdir(), 'real-proxies-'));
let cluster: TestCluster;
let proxies: RealProxies;

beforeAll(async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { algorithm: 'sha256' });
  const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  writeFileSync(certificateFile, cert);
  writeFileSync(keyFile, key);
  cluster = await TestCluster.open();
  const backend = async (settings: Record<string, string>): Promise<number> => {
    const environment = {
      TRUSTED_PROXIES: PROXY,
      ANONYMOUS_REQUESTS_PER_SECOND: '3',
      CONFIGURATION_SERVER_VERSION: '9.63.7187.1',
      ...settings,
    };
    const replica = await cluster.addReplicaWith({
      settings: readSettings({ environment, insecure: false, packageVersion: '0.0.0' }),
    });
    return Number(new URL(await cluster.replica(replica).http.getUrl()).port);
  };
  proxies = await RealProxies.start(join(folder, 'proxies'), {
    xForwardedFor: await backend({ TRUSTED_PROXY_HEADER: 'x-forwarded-for' }),
    forwarded: await backend({ TRUSTED_PROXY_HEADER: 'forwarded' }),
    proxyProtocol: await backend({ PROXY_PROTOCOL: 'required' }),
    proxyProtocolTls: await backend({
      PROXY_PROTOCOL: 'required',
      TLS_CERTIFICATE_FILE: certificateFile,
      TLS_KEY_FILE: keyFile,
    }),
  });
});
afterAll(async () => {
  await proxies?.stop();
  await cluster?.close();
  rmSync(folder, { recursive: true });
});

interface ApiResponse {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Every client adds this header: no proxy may forward it unchanged. */
const FORGED = { 'x-forwarded-for': '203.0.113.9', forwarded: 'for=203.0.113.9' };

function call(
  route: keyof Routes,
  from: string,
  method: string,
  path: string,
  { authorization = '', body }: { authorization?: string; body?: object } = {},
): Promise<ApiResponse> {
  const isTls = route.endsWith('Tls');
  const headers = { ...FORGED, authorization, ...(body && { 'content-type': 'application/json' }) };
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: proxies.routes[route],
      method,
      path,
      headers,
      localAddress: from,
      agent: false,
      rejectUnauthorized: false,
    } as const;
    const request = (isTls ? requestHttps : requestHttp)(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
        }),
      );
    });
    request.on('error', reject).end(body && JSON.stringify(body));
  });
}

describe.each<[keyof Routes, number]>([
  ['nginxXForwardedFor', 21],
  ['nginxForwarded', 22],
  ['haproxyHttp', 23],
  ['haproxySendProxy', 24],
  ['haproxySendProxyV2', 25],
  ['haproxySendProxyV2Tls', 26],
])('through %s', (route, network) => {
  const [one, other] = [`127.0.${network}.1`, `127.0.${network}.2`];

  it('entries, events and conflicts have the address of the client', async () => {
    const hostId = randomUUID();
    const path = `/v1/process-servers/${hostId}`;
    const registered = await call(route, one, 'PUT', path, {
      authorization: cluster.passphrase,
      body: aRegistration({ friendlyName: hostId, machineId: hostId }),
    });
    expect(registered.status).toBe(201);
    const heartbeat = (from: string, over: object = {}): Promise<ApiResponse> =>
      call(route, from, 'POST', `${path}/heartbeats`, {
        authorization: `Bearer ${String(registered.body['credential'])}`,
        body: { generation: 1, ...over },
      });
    expect((await heartbeat(one)).status).toBe(200);
    expect(JSON.stringify((await cluster.read(`${path}/diagnosis`)).body)).toContain(`"sourceAddress":"${one}"`);
    const conflict = await heartbeat(other, { machineId: 'a-clone' });
    expect([conflict.status, String(conflict.body['detail'])]).toEqual([
      409,
      expect.stringContaining(`${one} is registered, ${other} sent the request`),
    ]);
    await call(route, other, 'POST', `${path}/purge`, {
      authorization: cluster.admin,
      body: { generation: 1, reason: 'test', force: true },
    });
    const seen = (await cluster.read<{ items: EventDto[] }>(`${path}/events`)).body.items.map(
      ({ kind, sourceAddress }) => [kind, sourceAddress],
    );
    expect(seen.sort()).toEqual([
      ['purged_by_force', other],
      ['refused_host_id_conflict', other],
      ['registered', one],
    ]);
  });

  it('the rate limit of one client does not affect another', async () => {
    const statuses: number[] = [];
    for (const from of [one, one, one, one, other]) statuses.push((await call(route, from, 'GET', '/docs')).status);
    expect(statuses).toEqual([200, 200, 200, 429, 200]);
  });
});

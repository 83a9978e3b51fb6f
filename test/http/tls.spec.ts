import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as plainConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { eventually } from '../support/eventually.js';
import { aRegistration, TestCluster } from '../support/test-cluster.js';

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
const certificateFile = join(folder, 'certificate.pem');
const keyFile = join(folder, 'key.pem');
const HOST_ID = '5f6f5a0e-3b0c-4a52-9a4b-6a2f6c1d0001';

interface Pair {
  readonly cert: string;
  readonly private: string;
}

/** The defaults of Node and OpenSSL, so that a rejection comes from the server. */
function allowEverything(): () => void {
  const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
  Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0' });
  return () => void Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
}
const allowAsBefore = allowEverything();

let cluster: TestCluster;
let first: Pair;
let second: Pair;
let otherKind: Pair;
beforeAll(async () => {
  [first, second] = [await made(), await made()];
  otherKind = await made('ec');
  write(first);
  cluster = await TestCluster.open({ settings: { TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile } });
});
afterAll(async () => {
  await cluster.close();
  allowAsBefore();
  rmSync(folder, { recursive: true });
});

/** Valid for any time of the manual clock. */
const made = (keyType: 'rsa' | 'ec' = 'rsa'): Promise<Pair> =>
  generate([{ name: 'commonName', value: 'localhost' }], {
    algorithm: 'sha256',
    keyType,
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2040-01-01'),
  });

function write({ cert, private: key }: Pair): void {
  writeFileSync(certificateFile, cert);
  writeFileSync(keyFile, key);
}

async function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { port } = new URL(await cluster.replica().http.getUrl());
  const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: TLSSocket, request: string): Promise<string> {
  socket.write(request);
  const [response] = (await once(socket, 'data')) as [Buffer];
  return String(response);
}

const request = (line: string, authorization: string, body: object): string => {
  const text = JSON.stringify(body);
  return `${line} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
};
const served = async (): Promise<string> => {
  const socket = await open();
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return raw.toString('base64');
};
const inPem = ({ cert }: Pair): string => cert.replace(/-----[A-Z ]+-----|\s/g, '');

describe('over TLS', () => {
  it('a process server registers and sends heartbeats on one connection', async () => {
    const socket = await open();
    const registered = await ask(
      socket,
      request(`PUT /v1/process-servers/${HOST_ID}`, cluster.passphrase, aRegistration()),
    );
    expect(registered).toMatch(/^HTTP\/1\.1 201 .*\r\nstrict-transport-security: max-age=31536000\r\n/s);
    const credential = /"credential":"([^"]+)"/.exec(registered)?.[1];
    const plain = await open(); // heartbeats only
    for (const sendingHeartbeats of [plain, plain, socket]) {
      expect(
        await ask(
          sendingHeartbeats,
          request(`POST /v1/process-servers/${HOST_ID}/heartbeats`, `Bearer ${credential}`, { generation: 1 }),
        ),
      ).toMatch(/^HTTP\/1\.1 200 /);
    }
    socket.destroy();
    plain.destroy();
  });

  it('the response to bytes that are not HTTP has the same headers', async () => {
    const socket = await open();
    expect(await ask(socket, 'hello\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 .*\r\nstrict-transport-security: max-age=31536000\r\n/s,
    );
  });

  it.each([
    ['TLSv1.1', false],
    ['TLSv1.2', true],
    ['TLSv1.3', true],
  ] as const)('accepts a client with %s: %s', async (version, isAccepted) => {
    const opened = await open({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }).then(
      (socket) => (socket.destroy(), true),
      () => false,
    );
    expect(opened).toBe(isAccepted);
  });
});

it.each([
  ['ECDHE-RSA-AES128-GCM-SHA256', true],
  ['ECDHE-RSA-AES256-GCM-SHA384', true],
  ['ECDHE-RSA-CHACHA20-POLY1305', true],
  ['AES128-GCM-SHA256', false],
  ['AES256-SHA', false],
  ['ECDHE-RSA-AES128-SHA256', false],
  ['ECDHE-RSA-AES256-SHA', false],
])('TLS 1.2 with %s is supported: %s, also after a certificate reload', async (cipher, isSupported) => {
  for (const pair of [second, first]) {
    write(pair);
    await cluster.replica().certificate?.reloadIfChanged();
    const opened = await open({ maxVersion: 'TLSv1.2', ciphers: `${cipher}:@SECLEVEL=0` }).then(
      (socket) => (socket.destroy(), true),
      () => false,
    );
    expect(opened).toBe(isSupported);
  }
});

it('clients that only keep connections open block no other client', async () => {
  const narrow = await TestCluster.open({
    settings: { TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile, HTTP_MAX_CONNECTIONS: '20' },
  });
  const { port } = new URL(await narrow.replica().http.getUrl());
  const locked: Socket[] = [];
  for (let number = 0; number < 60; number += 1) {
    const socket =
      number % 2
        ? connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false })
        : plainConnect(Number(port), '127.0.0.1');
    locked.push(socket.on('error', () => undefined));
    await once(socket, number % 2 ? 'secureConnect' : 'connect');
  }
  const last = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
  expect(await ask(last, 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  for (const socket of [...locked, last]) socket.destroy();
  await narrow.close();
});

describe('the certificate', () => {
  it('is reloaded when its files change, while open connections continue', async () => {
    write(first);
    await cluster.replica().certificate?.reloadIfChanged();
    const socket = await open();
    expect(await cluster.replica().certificate?.reloadIfChanged()).toBe(false);
    write(second);
    expect(await served()).toBe(inPem(first));
    expect(await cluster.replica().certificate?.reloadIfChanged()).toBe(true);
    expect(await served()).toBe(inPem(second));
    expect(await ask(socket, 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it.each<[string, () => void]>([
    ['that does not match its key', () => writeFileSync(certificateFile, first.cert)],
    ['that is truncated', () => writeFileSync(certificateFile, first.cert.slice(0, 200))],
    ['that is missing', () => rmSync(certificateFile)],
    ['that is empty', () => writeFileSync(certificateFile, '')],
    ['that is empty, like its key,', () => [certificateFile, keyFile].forEach((path) => writeFileSync(path, ' \n'))],
    ['whose key is empty', () => writeFileSync(keyFile, '')],
    ['that does not match the type of its key', () => writeFileSync(keyFile, otherKind.private)],
  ])('%s is not served: the previous one stays', async (_what, spoil) => {
    write(second);
    await cluster.replica().certificate?.reloadIfChanged();
    spoil();
    await expect(cluster.replica().certificate?.reloadIfChanged()).rejects.toThrow();
    expect(await served()).toBe(inPem(second));
  });

  it('that is invalid is logged once for each change, and so is its successor', async () => {
    const logged = (): unknown[] =>
      cluster.log
        .map((line) => JSON.parse(line) as { level: number; msg: string })
        .filter(({ msg }) => msg.includes('TLS'))
        .map(({ level, msg }) => [level, msg]);
    const { certificate } = cluster.replica();
    write(second);
    await certificate?.reloadIfChanged();
    cluster.log.length = 0;
    writeFileSync(keyFile, '');
    for (let reload = 0; reload < 3; reload += 1) await certificate?.reloadAndLog();
    const stays = [50, 'the TLS certificate and key on disk are unusable; the previous certificate stays in use'];
    expect(logged()).toEqual([stays]);
    rmSync(keyFile);
    for (let reload = 0; reload < 3; reload += 1) await certificate?.reloadAndLog();
    expect(logged()).toEqual([stays, stays]);
    write(first);
    for (let reload = 0; reload < 3; reload += 1) await certificate?.reloadAndLog();
    expect(logged()).toEqual([stays, stays, [30, 'the TLS certificate was reloaded']]);
    writeFileSync(keyFile, '');
    await certificate?.reloadAndLog();
    write(first);
    await certificate?.reloadAndLog();
    writeFileSync(keyFile, '');
    await certificate?.reloadAndLog();
    expect(logged()).toHaveLength(5);
    cluster.log.length = 0;
  });

  it.each([
    ['has expired', -2, -1, 'the TLS certificate has expired'],
    ['is not valid yet', 1, 2, 'the TLS certificate is not valid yet'],
    ['is valid', -1, 1, undefined],
  ])(
    'that %s is served, with a warning if it is not valid, and a metric',
    async (_what, fromDays, untilDays, warning) => {
      const date = (days: number): Date =>
        new Date(Math.floor(cluster.clock.now().getTime() / 1000) * 1000 + days * 86_400_000);
      const pair = await generate([{ name: 'commonName', value: 'localhost' }], {
        algorithm: 'sha256',
        notBeforeDate: date(fromDays),
        notAfterDate: date(untilDays),
      });
      cluster.log.length = 0;
      write(pair);
      await cluster.replica().certificate?.reloadAndLog();
      expect(await served()).toBe(inPem(pair));
      const warnings = (): unknown[] =>
        cluster.log
          .map((line) => JSON.parse(line) as { level: number; msg: string })
          .filter(({ level }) => level === 40)
          .map(({ msg }) => msg);
      expect(warnings()).toEqual(warning ? [warning] : []);
      cluster.replica().certificate?.warnWhenInvalid();
      expect(warnings()).toEqual(warning ? [warning, warning] : []);
      const socket = await open();
      const metrics = await ask(socket, 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(metrics).toContain(`cs_tls_certificate_expires_at_seconds ${date(untilDays).getTime() / 1000}\n`);
      socket.destroy();
      write(first);
      await cluster.replica().certificate?.reloadIfChanged();
    },
  );
});

describe('a connection', () => {
  it.each<[string, string[]]>([
    ['nothing yet', []],
    ['a heartbeat', ['POST']],
    ['another request', ['GET']],
  ])('that carried %s allows no renegotiation', async (_what, methods) => {
    const hostId = randomUUID();
    const first = await open({ maxVersion: 'TLSv1.2' });
    const response = await ask(
      first,
      request(`PUT /v1/process-servers/${hostId}`, cluster.passphrase, aRegistration({ machineId: hostId })),
    );
    const credential = /"credential":"([^"]+)"/.exec(response)?.[1];
    const socket = await open({ maxVersion: 'TLSv1.2' });
    for (const method of methods) {
      const sent =
        method === 'GET'
          ? 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n'
          : request(`POST /v1/process-servers/${hostId}/heartbeats`, `Bearer ${credential}`, { generation: 1 });
      expect(await ask(socket, sent)).toMatch(/^HTTP\/1\.1 200 /);
    }
    const failed = once(socket, 'error') as Promise<[Error]>;
    socket.renegotiate({}, () => undefined);
    socket.write('GET /health/live HTTP/1.1\r\n'); // a renegotiation starts with the next bytes
    const [{ message }] = await failed;
    expect(message).toMatch(/no renegotiation/);
    first.destroy();
    expect(await ask(await open(), 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each([
    ['sends nothing', ''],
    ['starts a handshake', '\u0016\u0003\u0001\u0002\u0000'],
  ])(
    'that %s is counted, and is closed when the handshake times out, however slowly bytes arrive',
    async (_what, bytes) => {
      const number = await cluster.addReplicaWith({ requestTimeoutMs: 300 });
      const { connections, http } = cluster.replica(number);
      const { port } = new URL(await http.getUrl());
      const socket = plainConnect(Number(port), '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(bytes);
      await eventually('it is counted', 10_000, () => connections.size === 1);
      const dribbling = setInterval(() => bytes && socket.write('\u0000'), 50);
      await eventually('it is closed', 10_000, () => connections.size === 0);
      clearInterval(dribbling);
      socket.destroy();
    },
  );
});

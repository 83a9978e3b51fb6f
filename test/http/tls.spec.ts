import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as plainConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls, { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { aRegistration, TestSite } from '../support/test-site.js';

const folder = mkdtempSync(join(tmpdir(), 'tls-'));
const certificateFile = join(folder, 'certificate.pem');
const keyFile = join(folder, 'key.pem');
const HOST_ID = '5f6f5a0e-3b0c-4a52-9a4b-6a2f6c1d0001';

interface Pair {
  readonly cert: string;
  readonly private: string;
}

/** What Node and OpenSSL allow by themselves: what is refused then, the server refuses. */
function allowEverything(): () => void {
  const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
  Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0' });
  return () => void Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
}
const allowAsBefore = allowEverything();

let site: TestSite;
let first: Pair;
let second: Pair;
beforeAll(async () => {
  [first, second] = [await made(), await made()];
  write(first);
  site = await TestSite.open({ settings: { TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile } });
});
afterAll(async () => {
  await site.close();
  allowAsBefore();
  rmSync(folder, { recursive: true });
});

const made = (): Promise<Pair> => generate([{ name: 'commonName', value: 'localhost' }], { algorithm: 'sha256' });

function write({ cert, private: key }: Pair): void {
  writeFileSync(certificateFile, cert);
  writeFileSync(keyFile, key);
}

async function open(options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { port } = new URL(await site.replica().http.getUrl());
  const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: TLSSocket, request: string): Promise<string> {
  socket.write(request);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return String(answer);
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
  it('a process server registers and beats on one connection', async () => {
    const socket = await open();
    const registered = await ask(socket, request(`PUT /v1/process-servers/${HOST_ID}`, site.passphrase, aRegistration()));
    expect(registered).toMatch(/^HTTP\/1\.1 201 .*\r\nstrict-transport-security: max-age=31536000\r\n/s);
    const credential = /"credential":"([^"]+)"/.exec(registered)?.[1];
    const plain = await open(); // nothing but heartbeats
    for (const beating of [plain, plain, socket]) {
      expect(await ask(beating, request(`POST /v1/process-servers/${HOST_ID}/heartbeats`, `Bearer ${credential}`, { generation: 1 }))).toMatch(/^HTTP\/1\.1 200 /);
    }
    socket.destroy();
    plain.destroy();
  });

  it('what is no HTTP is answered with the same headers', async () => {
    const socket = await open();
    expect(await ask(socket, 'hello\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*\r\nstrict-transport-security: max-age=31536000\r\n/s);
  });

  it.each([
    ['TLSv1.1', false],
    ['TLSv1.2', true],
    ['TLSv1.3', true],
  ] as const)('a client that speaks %s is let in: %s', async (version, isLetIn) => {
    const opened = await open({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }).then(
      (socket) => (socket.destroy(), true),
      () => false,
    );
    expect(opened).toBe(isLetIn);
  });
});

it('clients that only hold connections keep nobody out', async () => {
  const narrow = await TestSite.open({ settings: { TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile, HTTP_CONNECTIONS: '20' } });
  const { port } = new URL(await narrow.replica().http.getUrl());
  const held: Socket[] = [];
  for (let number = 0; number < 60; number += 1) {
    const socket = number % 2 ? connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false }) : plainConnect(Number(port), '127.0.0.1');
    held.push(socket.on('error', () => undefined));
    await once(socket, number % 2 ? 'secureConnect' : 'connect');
  }
  const last = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
  expect(await ask(last, 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
  for (const socket of [...held, last]) socket.destroy();
  await narrow.close();
});

describe('the certificate', () => {
  it('is renewed when its files change, and connections that are open go on', async () => {
    write(first);
    await site.replica().certificate?.renew();
    const socket = await open();
    expect(await site.replica().certificate?.renew()).toBe(false);
    write(second);
    expect(await served()).toBe(inPem(first));
    expect(await site.replica().certificate?.renew()).toBe(true);
    expect(await served()).toBe(inPem(second));
    expect(await ask(socket, 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it.each<[string, () => void]>([
    ['that goes with another key', () => writeFileSync(certificateFile, first.cert)],
    ['that is half written', () => writeFileSync(certificateFile, first.cert.slice(0, 200))],
    ['that is gone', () => rmSync(certificateFile)],
  ])('%s is not served: the one before stays', async (_what, spoil) => {
    write(second);
    await site.replica().certificate?.renew();
    spoil();
    await expect(site.replica().certificate?.renew()).rejects.toThrow();
    expect(await served()).toBe(inPem(second));
  });
});

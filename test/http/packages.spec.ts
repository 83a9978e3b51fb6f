import { createHash, randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
import { UnreadResponses } from '../../apps/configuration-server/src/edge/unread-responses.js';
import { eventually } from '../support/eventually.js';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse } from '../support/test-cluster.js';

/** Several chunks, and a part of one. */
const CONTENT = randomBytes(200_001);
const SIZE = CONTENT.length;
const root = mkdtempSync(join(tmpdir(), 'packages-'));
const folder = join(root, 'packages');
const sha256Of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');
const write = (name: string, content: Buffer): void => writeFileSync(join(folder, name), content);

let cluster: TestCluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  mkdirSync(folder);
  write('ps.exe', CONTENT);
  cluster = await TestCluster.open({ settings: { PACKAGES_DIRECTORY: folder } });
  expect((await put('ps.exe')).status).toBe(201);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(async () => {
  await cluster.close();
  rmSync(root, { recursive: true });
});

const path = (version = '9.62.0.0'): string => `/v1/releases/ProcessServer/Windows/${version}`;
const put = (packageFile: string, over: Record<string, unknown> = {}, version?: string): Promise<TestResponse> =>
  cluster.call('PUT', path(version), {
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2027-01-01T00:00:00Z',
      sizeBytes: SIZE,
      sha256: sha256Of(CONTENT),
      packageFile,
      ...over,
    },
    authorization: cluster.admin,
  });

interface Download {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** The response ended before its last byte. */
  readonly isCutShort: boolean;
}

/** Sends the path and returns the bytes as they are: the client of the other tests resolves `..` and decodes text. */
async function download(
  headers: Record<string, string> = {},
  { method = 'GET', url = `${path()}/package`, authorization = cluster.passphrase, replica = 0 } = {},
): Promise<Download> {
  const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
  return new Promise((resolve, reject) => {
    const call = request({ hostname, port, path: url, method, headers: { authorization, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      const end = (): void => {
        const { statusCode: status = 0, headers: given, complete } = response;
        resolve({ status, headers: given, bytes: Buffer.concat(chunks), isCutShort: !complete });
      };
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
      response.on('close', end);
    });
    call.on('error', reject).end();
  });
}
const problemOf = ({ status, headers, bytes }: Download): TestResponse => ({
  status,
  headers: headers as TestResponse['headers'],
  body: JSON.parse(String(bytes)) as Record<string, unknown>,
});
const reader = (): { authorization: string } => ({ authorization: cluster.admin });

describe('a package', () => {
  it('is sent whole, with its size, name and checksum', async () => {
    for (const authorization of [cluster.passphrase, await cluster.createKey('reader')]) {
      const { status, headers, bytes } = await download({}, { authorization });
      expect([status, bytes.equals(CONTENT)]).toEqual([200, true]);
      expect(headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': String(SIZE),
        'content-disposition': 'attachment; filename="ps.exe"',
        'accept-ranges': 'bytes',
        etag: `"${sha256Of(CONTENT)}"`,
        'repr-digest': `sha-256=:${createHash('sha256').update(CONTENT).digest('base64')}:`,
        'x-content-type-options': 'nosniff',
      });
      expect(headers['content-range']).toBeUndefined();
    }
  });

  it('is sent to a machine with an enrolment, also after its last registration, until the enrolment ends', async () => {
    const { enrolmentId, file } = await cluster.createEnrolment();
    const authorization = `Enrolment ${file.token}`;
    expect((await download({}, { authorization })).bytes.equals(CONTENT)).toBe(true);
    await cluster.registered({}, undefined, 0, authorization);
    expect((await download({}, { authorization })).status).toBe(200);
    await cluster.call('DELETE', `/v1/enrolments/${enrolmentId}`, { authorization: cluster.admin });
    expectProblem(problemOf(await download({}, { authorization })), 'enrolment_revoked');
  });

  it('answers HEAD with the same headers and no body; a range is for GET only', async () => {
    const whole = await download();
    const head = await download({ range: 'bytes=0-0' }, { method: 'HEAD' });
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    for (const name of [
      'content-length',
      'etag',
      'repr-digest',
      'accept-ranges',
      'content-disposition',
      'content-type',
    ])
      expect([name, head.headers[name]]).toEqual([name, whole.headers[name]]);
  });

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=-1', SIZE - 1, SIZE - 1],
    ['bytes=5-', 5, SIZE - 1],
    ['bytes=65535-131072', 65_535, 131_072],
    [`bytes=100-${SIZE + 5}`, 100, SIZE - 1],
    [`bytes=-${SIZE + 5}`, 0, SIZE - 1],
  ])('is sent in part for %s', async (range, first, last) => {
    const { status, headers, bytes } = await download({ range });
    expect([status, headers['content-range'], headers['content-length']]).toEqual([
      206,
      `bytes ${first}-${last}/${SIZE}`,
      String(last + 1 - first),
    ]);
    expect(bytes.equals(CONTENT.subarray(first, last + 1))).toBe(true);
    expect(headers['repr-digest']).toBe((await download({}, { method: 'HEAD' })).headers['repr-digest']);
  });

  it.each([`bytes=${SIZE}-`, 'bytes=-0', 'bytes=5-4', 'bytes=a-b', 'bytes=', 'nonsense'])(
    'rejects the range %s with its size',
    async (range) => {
      const rejected = await download({ range });
      expectProblem(problemOf(rejected), 'range_not_satisfiable');
      expect(problemOf(rejected).body['errors']).toMatchObject([{ field: 'Range' }]);
      expect([rejected.headers['content-range'], rejected.headers['etag']]).toEqual([`bytes */${SIZE}`, undefined]);
    },
  );

  it.each(['bytes=0-0,5-9', 'lines=1-2'])('is sent whole for %s', async (range) => {
    const { status, bytes } = await download({ range });
    expect([status, bytes.length]).toEqual([200, SIZE]);
  });

  it('is sent in part only if If-Range names its strong entity tag', async () => {
    const tag = `"${sha256Of(CONTENT)}"`;
    const ranged = async (ifRange: string): Promise<number> =>
      (await download({ range: 'bytes=0-9', 'if-range': ifRange })).status;
    expect(await ranged(tag)).toBe(206);
    for (const other of [`W/${tag}`, '"other"', 'Sat, 01 Jan 2028 00:00:00 GMT', '*'])
      expect(await ranged(other)).toBe(200);
    expect((await download({ range: `bytes=${SIZE}-`, 'if-range': '"other"' })).status).toBe(200);
  });

  it('is not sent to a caller that has it', async () => {
    const tag = `"${sha256Of(CONTENT)}"`;
    for (const ifNoneMatch of [tag, `"other", W/${tag}`, '*']) {
      const { status, headers, bytes } = await download({ 'if-none-match': ifNoneMatch, range: 'bytes=0-9' });
      expect([status, headers['etag'], bytes.length]).toEqual([304, tag, 0]);
      const head = await download({ 'if-none-match': ifNoneMatch }, { method: 'HEAD' });
      expect([head.status, head.headers['etag'], head.headers['content-length']]).toEqual([304, tag, undefined]);
    }
    expect((await download({ 'if-none-match': '"other"' })).status).toBe(200);
  });

  it('can be continued after a lost connection', async () => {
    const first = await download({ range: 'bytes=0-99999' });
    const rest = await download({ range: 'bytes=100000-', 'if-range': String(first.headers['etag']) });
    expect(Buffer.concat([first.bytes, rest.bytes]).equals(CONTENT)).toBe(true);
  });
});

describe('a package is not found', () => {
  it.each([
    ['of a release that does not exist', path('9.61.0.0'), 'release_not_found'],
    ['with an encoded slash', `${path().replace('/Windows', '%2fWindows')}`, 'method_not_allowed'],
    ['with an encoded parent folder', path('..%2f..%2fetc%2fpasswd'), 'validation_failed'],
    ['with a parent folder', path('../../etc/passwd'), 'route_not_found'],
    ['with an encoded NUL', path('9.62.0.0%00'), 'validation_failed'],
    ['of another operating system', path().replace('Windows', '..'), 'validation_failed'],
  ] as const)('%s', async (_case, url, code) => {
    expectProblem(problemOf(await download({}, { url: `${url}/package`, ...reader() })), code);
  });

  it('that is elsewhere', async () => {
    await put('', { packageFile: undefined, downloadUrl: 'https://packages.example.net/1' }, '9.60.0.0');
    const elsewhere = problemOf(await download({}, { url: `${path('9.60.0.0')}/package` }));
    expectProblem(elsewhere, 'package_not_found');
    expect(elsewhere.body['detail']).toContain('https://packages.example.net/1');
  });
});

describe('a release is rejected, and nothing is written,', () => {
  const listener = createServer();
  afterAll(() => void listener.close());
  beforeAll(async () => {
    write('other.exe', randomBytes(SIZE));
    write('short.exe', CONTENT.subarray(1));
    writeFileSync(join(root, 'outside.exe'), CONTENT);
    mkdirSync(join(folder, 'folder'));
    symlinkSync(join(root, 'outside.exe'), join(folder, 'link-out'));
    symlinkSync('ps.exe', join(folder, 'link-in'));
    symlinkSync('missing', join(folder, 'link-dangling'));
    execFileSync('mkfifo', [join(folder, 'fifo')]);
    await new Promise<void>((resolve) => void listener.listen(join(folder, 'socket'), resolve));
  });

  it.each([
    ['a file that does not exist', 'missing.exe', {}, 'package_file_not_usable', 'packageFile'],
    ['a folder', 'folder', {}, 'package_file_not_usable', 'packageFile'],
    ['a link out of the folder', 'link-out', {}, 'package_file_not_usable', 'packageFile'],
    ['a link within the folder', 'link-in', {}, 'package_file_not_usable', 'packageFile'],
    ['a link to nothing', 'link-dangling', {}, 'package_file_not_usable', 'packageFile'],
    ['a FIFO', 'fifo', {}, 'package_file_not_usable', 'packageFile'],
    ['a socket', 'socket', {}, 'package_file_not_usable', 'packageFile'],
    ['a file of another size', 'short.exe', {}, 'package_file_mismatch', 'sizeBytes'],
    ['another size than that of the file', 'ps.exe', { sizeBytes: SIZE + 1 }, 'package_file_mismatch', 'sizeBytes'],
    ['a file of other content', 'other.exe', {}, 'package_file_mismatch', 'sha256'],
    ['another checksum', 'ps.exe', { sha256: '00'.repeat(32) }, 'package_file_mismatch', 'sha256'],
    ['a path', '../outside.exe', {}, 'validation_failed', 'packageFile'],
    ['an encoded path', '..%2foutside.exe', {}, 'validation_failed', 'packageFile'],
  ] as const)('with %s', async (_case, packageFile, over, code: ProblemCode, field) => {
    const before = await cluster.fingerprint();
    const rejected = await put(packageFile, over);
    expectProblem(rejected, code);
    expect(rejected.body['errors']).toMatchObject([{ field }]);
    expect(JSON.stringify(rejected.body)).not.toContain(root);
    expect(await cluster.fingerprint()).toBe(before);
  });
});

describe('a package file that changes', () => {
  const version = '9.59.0.0';
  const url = `${path(version)}/package`;
  beforeAll(async () => {
    write('changing.exe', CONTENT);
    expect((await put('changing.exe', {}, version)).status).toBe(201);
  });

  it('is not sent: other content, another size, a link, removed; and it is sent again once it is restored', async () => {
    const code = async (): Promise<unknown> => problemOf(await download({}, { url })).body['code'];
    write('changing.exe', Buffer.from(CONTENT).fill(0, 0, 1));
    expectProblem(problemOf(await download({}, { url })), 'package_changed');
    truncateSync(join(folder, 'changing.exe'), SIZE - 1);
    expect(await code()).toBe('package_changed');
    rmSync(join(folder, 'changing.exe'));
    expect(await code()).toBe('package_not_found');
    linkSync(join(folder, 'ps.exe'), join(folder, 'target.exe'));
    symlinkSync('target.exe', join(folder, 'changing.exe'));
    expect(await code()).toBe('package_not_found');
    rmSync(join(folder, 'changing.exe'));
    write('changing.exe', CONTENT);
    expect((await download({}, { url })).bytes.equals(CONTENT)).toBe(true);
  });

  it.each([
    ['overwritten', true, () => write('large.exe', randomBytes(LARGE.length))],
    ['truncated', true, () => truncateSync(join(folder, 'large.exe'), 1)],
    [
      'replaced',
      false,
      () => (write('new.exe', randomBytes(9)), renameSync(join(folder, 'new.exe'), join(folder, 'large.exe'))),
    ],
  ] as const)('while it is sent, %s, never sends other bytes', async (_how, isCutShort, change) => {
    write('large.exe', LARGE);
    const facts = { sizeBytes: LARGE.length, sha256: sha256Of(LARGE) };
    expect((await put('large.exe', facts, '9.58.0.0')).status).toBeLessThan(300);
    const { socket, head } = await unread('9.58.0.0');
    change();
    const received = await rest(socket, head);
    const body = received.subarray(received.indexOf('\r\n\r\n') + 4);
    expect(body.equals(LARGE.subarray(0, body.length))).toBe(true);
    expect(body.length < LARGE.length).toBe(isCutShort);
  });
});

/** More than the system buffers for a client that does not read. */
const LARGE = randomBytes(16 * 1024 * 1024);

/** Starts a download and stops reading after the first bytes. */
async function unread(version: string, replica = 0, count = 1): Promise<{ socket: Socket; head: Buffer }> {
  const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  sockets.push(socket);
  const get = `GET ${path(version)}/package HTTP/1.1\r\nHost: a\r\nAuthorization: ${cluster.passphrase}\r\n`;
  socket.write(`${get}\r\n`.repeat(count - 1) + `${get}Connection: close\r\n\r\n`);
  const head = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  socket.pause();
  return { socket, head };
}

function rest(socket: Socket, head: Buffer): Promise<Buffer> {
  const chunks = [head];
  return new Promise((resolve) => {
    socket.on('data', (chunk) => chunks.push(chunk)).on('close', () => resolve(Buffer.concat(chunks)));
    socket.resume();
  });
}

describe('concurrent downloads', () => {
  const version = '9.57.0.0';
  const url = `${path(version)}/package`;
  beforeAll(async () => {
    write('limited.exe', LARGE);
    await put('limited.exe', { sizeBytes: LARGE.length, sha256: sha256Of(LARGE) }, version);
  });

  it.each([{ downloads: 2 }, { downloadsPerAddress: 2 }])('are limited: %j', async (packageLimits) => {
    const replica = await cluster.addReplicaWith({ packageLimits });
    for (let client = 0; client < 2; client += 1)
      expect(String((await unread(version, replica)).head)).toMatch(/ 200 OK/);
    expectProblem(problemOf(await download({}, { url, replica })), 'download_limit_reached');
    const server = await cluster.registered({}, undefined, replica);
    expect((await cluster.heartbeat(server, {}, replica)).status).toBe(200);
    sockets.pop()?.destroy();
    await eventually(
      'another download starts',
      10_000,
      async () => (await download({}, { url, replica })).status === 200,
    );
  });

  it('end if they are not read, including those that wait behind another on the same connection', async () => {
    const replica = await cluster.addReplicaWith({ packageLimits: { downloads: 2, maxUnreadMs: 300 } });
    await unread(version, replica, 2);
    await eventually(
      'both have ended',
      10_000,
      async () => (await download({ range: 'bytes=0-0' }, { url, replica })).status === 206,
    );
  });

  it('take no more memory than the clients read', async () => {
    const replica = await cluster.addReplicaWith({});
    for (let client = 0; client < 16; client += 1) await unread(version, replica);
    expect((await cluster.read('/v1/fleet', replica)).status).toBe(200);
    expect(cluster.replica(replica).http.get(UnreadResponses).bytes).toBeLessThan(16 * 256 * 1024);
  });
});

it('a file of which the checksum is not computed in time is sent later', async () => {
  const replica = await cluster.addReplicaWith({ packageLimits: { maxWaitMs: 1 } });
  writeFileSync(join(folder, 'sparse.exe'), '');
  truncateSync(join(folder, 'sparse.exe'), 2 ** 40);
  const before = await cluster.fingerprint();
  const pending = await cluster.call('PUT', path('9.56.0.0'), {
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2027-01-01T00:00:00Z',
      sizeBytes: 2 ** 40,
      sha256: '00'.repeat(32),
      packageFile: 'sparse.exe',
    },
    authorization: cluster.admin,
    replica,
  });
  expectProblem(pending, 'package_verification_pending');
  expect(await cluster.fingerprint()).toBe(before);
});

import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as openRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CreatedEnrolment, EnrolmentInfo } from '@app/api-contract';
import { generate } from 'selfsigned';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster } from '../support/test-cluster.js';

const PACKAGE = Buffer.alloc(1_000, 'package');
const SHA256 = createHash('sha256').update(PACKAGE).digest('hex');
const PATH = '/v1/configuration-server/enrolment';

const packages = mkdtempSync(join(tmpdir(), 'enrolment-packages-'));
let cluster: TestCluster;
beforeAll(async () => {
  writeFileSync(join(packages, 'ps-9.61.tar.gz'), PACKAGE);
  cluster = await TestCluster.open({ replicas: 2, settings: { PACKAGES_DIRECTORY: packages } });
});
afterAll(async () => {
  await cluster.close();
  rmSync(packages, { recursive: true });
});

const release = async (path: string, over: object): Promise<void> => {
  const { status } = await cluster.call('PUT', `/v1/releases/${path}`, {
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2028-01-01T00:00:00Z',
      sizeBytes: PACKAGE.length,
      sha256: SHA256,
      ...over,
    },
    authorization: cluster.admin,
  });
  expect(status).toBe(201);
};
const info = async (osType: string, replica = 0): Promise<EnrolmentInfo> =>
  (await cluster.read<EnrolmentInfo>(`${PATH}?osType=${osType}`, replica)).body;

describe('what is needed to add a process server', () => {
  it('is the connection, the version and the command, without a package while the catalogue has none', async () => {
    const body = await info('Windows');
    expect(body).toEqual({
      siteId: (await cluster.createEnrolment()).file.siteId,
      addresses: ['127.0.0.1'],
      port: expect.any(Number),
      tls: false,
      tlsCertificateSha256: null,
      requiredVersion: '9.63.7187.1',
      package: null,
      command: `process-server install --cs-address 127.0.0.1 --cs-port ${body.port} --enrolment-file enrolment.json`,
    });
  });

  it('has the newest package that is not newer than the configuration server, also in the file, at each replica', async () => {
    const downloadUrl = 'https://packages.example.net/ps-9.63.exe';
    await release('ProcessServer/Windows/9.62.0.0', { downloadUrl });
    await release('ProcessServer/Windows/9.63.0.0', { downloadUrl });
    await release('ProcessServer/Windows/9.64.0.0', { downloadUrl });
    await release('MobilityService/Windows/9.63.5.0', { downloadUrl });
    await release('ProcessServer/Linux/9.61.0.0', { packageFile: 'ps-9.61.tar.gz' });
    const windows = {
      osType: 'Windows',
      version: '9.63.0.0',
      url: downloadUrl,
      sizeBytes: PACKAGE.length,
      sha256: SHA256,
    };
    for (const replica of [0, 1]) {
      const { port } = await info('Linux', replica);
      const linux = {
        ...windows,
        osType: 'Linux',
        version: '9.61.0.0',
        url: `http://127.0.0.1:${port}/v1/releases/ProcessServer/Linux/9.61.0.0/package`,
      };
      expect((await info('Windows', replica)).package).toEqual(windows);
      expect((await info('Linux', replica)).package).toEqual(linux);
      expect((await cluster.createEnrolment({}, replica)).file.packages).toEqual([windows, linux]);
    }
  });

  it.each(['', '?osType=', '?osType=windows', '?osType=Windows&osType=Linux', '?osType=Windows&token=1'])(
    'rejects the query "%s"',
    async (query) => {
      expectProblem(await cluster.read(`${PATH}${query}`), 'validation_failed');
    },
  );

  it('is for operators', async () => {
    const authorization = await cluster.createKey('reader');
    expectProblem(await cluster.call('GET', `${PATH}?osType=Linux`, { authorization }), 'permission_denied');
  });
});

it('with TLS, the file has the fingerprint of the certificate', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'enrolment-tls-'));
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2040-01-01'),
  });
  const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  writeFileSync(certificateFile, cert);
  writeFileSync(keyFile, key);
  const withTls = await TestCluster.open({
    settings: { TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile },
  });
  try {
    const url = new URL('/v1/enrolments', await withTls.replica().http.getUrl());
    const response = await new Promise<string>((resolve, reject) => {
      const headers = { authorization: withTls.admin, 'content-type': 'application/json' };
      openRequest(url, { method: 'POST', headers, rejectUnauthorized: false }, (answer) => resolve(text(answer)))
        .on('error', reject)
        .end('{"note":"with TLS"}');
    });
    const { file } = JSON.parse(response) as CreatedEnrolment;
    expect([file.tls, file.port]).toEqual([true, Number(url.port)]);
    const sha256 = new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
    expect(file.tlsCertificateSha256).toBe(sha256);
  } finally {
    await withTls.close();
    rmSync(folder, { recursive: true });
  }
});

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { CreatedEnrolment, EnrolmentFile } from '@app/api-contract';
import { readAt } from '../support/program-calls.js';
import { registrationOf, ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
beforeEach(async () => {
  folder = await (await ServerFolder.make()).prepare();
});
afterEach(() => folder.remove());

/** The status and the body of a call with curl. */
async function curl<Body>(method: string, url: string, authorization: string, body: object): Promise<[number, Body]> {
  const json = ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)];
  const options = ['-sS', '-X', method, '-H', `Authorization: ${authorization}`, '-w', '\n%{http_code}', ...json];
  const { stdout } = await promisify(execFile)('curl', [...options, url]);
  const end = stdout.lastIndexOf('\n');
  return [Number(stdout.slice(end)), JSON.parse(stdout.slice(0, end)) as Body];
}

it('an enrolment file registers one process server with curl alone, and not a second one', async () => {
  const server = await folder.start({ LOG_LEVEL: 'trace' });
  const operator = `Bearer ${await folder.adminKey()}`;
  const [, created] = await curl<CreatedEnrolment>('POST', `${server.url}/v1/enrolments`, operator, { note: 'Berlin' });
  const path = folder.path('enrolment.json');
  await writeFile(path, JSON.stringify(created.file), { mode: 0o600 });

  const file = JSON.parse(await readFile(path, 'utf8')) as EnrolmentFile;
  const url = `${file.tls ? 'https' : 'http'}://${file.addresses[0]}:${file.port}/v1/process-servers`;
  const hostId = randomUUID();
  const facts = (id: string): object => ({ ...registrationOf(id), agentVersion: file.requiredVersion });
  const byFile = `Enrolment ${file.token}`;
  const [preflight, findings] = await curl<{ wouldRegister: boolean }>(
    'POST',
    `${url}/${hostId}/preflight`,
    byFile,
    facts(hostId),
  );
  expect([preflight, findings.wouldRegister]).toEqual([200, true]);
  const [registered, { generation, credential }] = await curl<{ generation: number; credential: string }>(
    'PUT',
    `${url}/${hostId}`,
    byFile,
    facts(hostId),
  );
  expect([registered, generation]).toEqual([201, 1]);
  const [heartbeat] = await curl('POST', `${url}/${hostId}/heartbeats`, `Bearer ${credential}`, { generation });
  expect(heartbeat).toBe(200);
  const second = randomUUID();
  const [rejected, { code }] = await curl<{ code: string }>('PUT', `${url}/${second}`, byFile, facts(second));
  expect([rejected, code]).toEqual([409, 'enrolment_used_up']);
  expect(await readAt(folder, server, `/v1/process-servers/${hostId}`)).toMatchObject({
    status: 200,
    body: { enrolmentId: file.enrolmentId, passphraseId: null, connectionState: 'Connected' },
  });
  await server.stop();
  expect(server.output).not.toContain(file.token);
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
import { openInvalidRequestSite, processServerUrl as url } from '../support/invalid-requests.js';
import { aRegistration, type TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';
import type { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let server: KnownServer;
let other: KnownServer;
let still: UnchangedState;
beforeAll(async () => {
  ({ cluster, server, other, still } = await openInvalidRequestSite());
});
afterAll(() => cluster.close());

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);

describe('invalid credentials', () => {
  const heartbeatWith = (authorization: string | undefined): Promise<TestResponse> =>
    cluster.call('POST', `${url(server.hostId)}/heartbeats`, {
      body: { generation: 1 },
      ...(authorization !== undefined && { authorization }),
    });
  const readWith = (authorization: string): Promise<TestResponse> =>
    cluster.call('GET', '/v1/process-servers', { authorization });
  const registerWith = (authorization: string): Promise<TestResponse> =>
    cluster.call('PUT', url(randomUUID()), { body: aRegistration(), authorization });

  it.each<[string, () => Promise<TestResponse>, ProblemCode]>([
    ['a forged credential', () => heartbeatWith(`Bearer psc_${'A'.repeat(91)}`), 'credential_rejected'],
    ['a truncated credential', () => heartbeatWith(`Bearer ${server.credential.slice(0, -1)}`), 'credential_rejected'],
    [
      'a credential with additional characters',
      () => heartbeatWith(`Bearer ${server.credential}AAAA`),
      'credential_rejected',
    ],
    ['the credential of another host', () => heartbeatWith(`Bearer ${other.credential}`), 'credential_rejected'],
    ['no credential', () => heartbeatWith(undefined), 'credential_rejected'],
    ['an empty credential', () => heartbeatWith('Bearer '), 'credential_rejected'],
    ['only the scheme', () => heartbeatWith('Bearer'), 'credential_rejected'],
    ['Basic', () => heartbeatWith('Basic YTpi'), 'credential_rejected'],
    ['the passphrase instead of a credential', () => heartbeatWith(cluster.passphrase), 'credential_rejected'],
    [
      'the passphrase as Bearer',
      () => heartbeatWith(cluster.passphrase.replace('Passphrase', 'Bearer')),
      'credential_rejected',
    ],
    ['an API key instead of a credential', () => heartbeatWith(cluster.admin), 'credential_rejected'],
    ['an unknown API key instead of a credential', () => heartbeatWith('Bearer csk_x'), 'credential_rejected'],
    [
      'a credential instead of the passphrase',
      () => registerWith(`Bearer ${server.credential}`),
      'authentication_required',
    ],
    ['an API key instead of the passphrase', () => registerWith(cluster.admin), 'authentication_required'],
    [
      'an API key as passphrase',
      () => registerWith(cluster.admin.replace('Bearer', 'Passphrase')),
      'passphrase_rejected',
    ],
    ['a wrong passphrase', () => registerWith('Passphrase wrong'), 'passphrase_rejected'],
    ['an empty passphrase', () => registerWith('Passphrase '), 'authentication_required'],
    [
      'a passphrase in the query',
      () =>
        cluster.call('PUT', `${url(randomUUID())}?passphrase=${cluster.passphrase.split(' ')[1] ?? ''}`, {
          body: aRegistration(),
        }),
      'authentication_required',
    ],
    ['an unknown API key', () => readWith('Bearer csk_unknown'), 'api_key_rejected'],
    ['a word instead of an API key', () => readWith('Bearer word'), 'api_key_rejected'],
    ['a credential instead of an API key', () => readWith(`Bearer ${server.credential}`), 'permission_denied'],
    ['the passphrase instead of an API key', () => readWith(cluster.passphrase), 'authentication_required'],
    ['an API key of 4,000 characters', () => readWith(`Bearer csk_${'a'.repeat(4_000)}`), 'api_key_rejected'],
  ])('%s', async (_what, call, code) => {
    await rejected(await call(), code);
  });
});

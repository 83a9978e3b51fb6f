import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { openInvalidRequestSite, processServerUrl as url } from '../support/invalid-requests.js';
import { aRegistration, type TestCluster, type KnownServer } from '../support/test-cluster.js';
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

describe('an invalid query', () => {
  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=', 'limit'],
    ['limit=1.5', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=0x10', 'limit'],
    ['limit=%2010', 'limit'],
    ['limit=NaN', 'limit'],
    ['limit=Infinity', 'limit'],
    ['limit=10&limit=20', 'limit'],
    ['limit[]=10', 'limit[]'],
    ['silentForSeconds=', 'silentForSeconds'],
    ['silentForSeconds=-1', 'silentForSeconds'],
    ['silentForSeconds=99999999999', 'silentForSeconds'],
    ['connectionState=connected', 'connectionState'],
    ['connectionState=Connected&connectionState=Disconnected', 'connectionState'],
    ['lifecycle=', 'lifecycle'],
    ['versionStatus=Old', 'versionStatus'],
    ['health=Good', 'health'],
    ['sort=asOf', 'sort'],
    ['ipAddress=300.1.1.1', 'ipAddress'],
    ['ipAddress=192.0.2.1&ipAddress=192.0.2.2', 'ipAddress'],
    ['friendlyName=', 'friendlyName'],
    ['friendlyName=%00', 'friendlyName'],
    ['friendlyName=%E2%80%AE', 'friendlyName'],
    ['friendlyName=%20ps', 'friendlyName'],
    [`friendlyName=${'x'.repeat(256)}`, 'friendlyName'],
    ['friendlyName=a&friendlyName=b', 'friendlyName'],
    ['colour=blue', 'colour'],
    ['__proto__=1', '__proto__'],
    ['constructor=1', 'constructor'],
    [`cursor=${'x'.repeat(6_001)}`, 'cursor'],
    ['cursor=a&cursor=b', 'cursor'],
    ['cursor=%ff', 'cursor'],
    ['friendlyName=%zz', 'friendlyName'],
    ['friendlyName=ps%', 'friendlyName'],
    ['limit=10&friendlyName=%c3%28', 'friendlyName'],
    ['friendlyName=%ed%a0%80', 'friendlyName'],
    ['%zz=1', '%zz'],
  ])('of the list: ?%s', async (query, field) => {
    await rejected(await cluster.read(`/v1/process-servers?${query}`), 'validation_failed', field);
  });

  it.each([
    ['from=yesterday', 'from'],
    ['to=2026-13-01T00:00:00Z', 'to'],
    ['hostId=x', 'hostId'],
    ['kind=', 'kind'],
    ['actor=%00', 'actor'],
    ['since=1', 'since'],
  ])('of the audit log: ?%s', async (query, field) => {
    await rejected(await cluster.read(`/v1/events?${query}`), 'validation_failed', field);
  });

  it.each(['', 'x', '.', 'a.b', 'a.b.c', '%00', 'é'])('rejects a forged cursor: "%s"', async (cursor) => {
    await rejected(
      await cluster.read(`/v1/process-servers?cursor=${cursor === 'é' ? encodeURIComponent(cursor) : cursor}`),
      'invalid_cursor',
    );
  });

  it.each<['GET' | 'PUT' | 'POST' | 'DELETE', string, string]>([
    ['GET', '', 'admin'],
    ['GET', '/diagnosis', 'admin'],
    ['PUT', '', 'passphrase'],
    ['POST', '/preflight', 'passphrase'],
    ['POST', '/heartbeats', 'credential'],
    ['POST', '/purge', 'admin'],
  ])('%s …%s accepts no query parameter', async (method, path, who) => {
    const authorization =
      who === 'admin' ? cluster.admin : who === 'passphrase' ? cluster.passphrase : `Bearer ${server.credential}`;
    const body =
      who === 'passphrase'
        ? aRegistration()
        : path === '/heartbeats'
          ? { generation: 1 }
          : { generation: 1, reason: 'a', force: true };
    await rejected(
      await cluster.call(method, `${url(server.hostId)}${path}?colour=blue`, {
        authorization,
        ...(method !== 'GET' && { body }),
      }),
      'validation_failed',
      'colour',
    );
  });

  it.each(['/v1/fleet', '/v1/configuration-server', '/health/live', '/health/ready', '/metrics', '/openapi.json'])(
    '%s accepts no query parameter',
    async (path) => {
      await rejected(await cluster.read(`${path}?colour=blue`), 'validation_failed', 'colour');
    },
  );
});

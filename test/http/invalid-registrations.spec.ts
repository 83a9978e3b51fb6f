import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openInvalidRequestSite } from '../support/invalid-requests.js';
import type { TestCluster, TestResponse } from '../support/test-cluster.js';
import type { UnchangedState } from '../support/unchanged-state.js';

let cluster: TestCluster;
let still: UnchangedState;
beforeAll(async () => {
  ({ cluster, still } = await openInvalidRequestSite());
});
afterAll(() => cluster.close());

const rejected = (...asked: Parameters<UnchangedState['expectRejected']>): Promise<void> =>
  still.expectRejected(...asked);
const register = (over: Record<string, unknown>, hostId: string = randomUUID()): Promise<TestResponse> =>
  cluster.register<Record<string, unknown>>(hostId, over);
const ahead = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();
const LONE_SURROGATE = '\ud800';

describe('a registration with an invalid field', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an invalid address', { ipAddress: '300.1.1.1' }, 'ipAddress'],
    ['an address of three parts', { ipAddress: '192.0.2' }, 'ipAddress'],
    ['an address with a leading zero', { ipAddress: '192.0.2.011' }, 'ipAddress'],
    ['an address in hexadecimal', { ipAddress: '0xc0000201' }, 'ipAddress'],
    ['an address with a port', { ipAddress: '192.0.2.1:80' }, 'ipAddress'],
    ['an invalid IPv6 address', { ipAddress: '2001:db8::zz' }, 'ipAddress'],
    ['an IPv6 address with two gaps', { ipAddress: '2001::db8::1' }, 'ipAddress'],
    ['an IPv6 address with a zone', { ipAddress: 'fe80::1%eth0' }, 'ipAddress'],
    ['a host name as address', { ipAddress: 'ps.example.net' }, 'ipAddress'],
    ['the unspecified address', { ipAddress: '0.0.0.0' }, 'ipAddress'],
    ['the broadcast address', { ipAddress: '255.255.255.255' }, 'ipAddress'],
    ['a multicast address', { ipAddress: 'ff02::1' }, 'ipAddress'],
    ['a version of three parts', { agentVersion: '9.63.7187' }, 'agentVersion'],
    ['a version of five parts', { agentVersion: '9.63.7187.1.1' }, 'agentVersion'],
    ['a version with a letter', { agentVersion: '9.63.7187.1a' }, 'agentVersion'],
    ['a version part above 65535', { agentVersion: '9.63.65536.1' }, 'agentVersion'],
    ['a negative version part', { agentVersion: '9.-1.0.0' }, 'agentVersion'],
    ['a version as a number', { agentVersion: 9.63 }, 'agentVersion'],
    ['data port 0', { dataPort: 0 }, 'dataPort'],
    ['data port 65536', { dataPort: 65_536 }, 'dataPort'],
    ['data port -1', { dataPort: -1 }, 'dataPort'],
    ['data port as text', { dataPort: '9443' }, 'dataPort'],
    ['data port with a fraction', { dataPort: 9443.5 }, 'dataPort'],
    ['data port as a list', { dataPort: [9443] }, 'dataPort'],
    ['data port true', { dataPort: true }, 'dataPort'],
    ['cores as text', { cpuCores: '8' }, 'cpuCores'],
    ['zero cores', { cpuCores: 0 }, 'cpuCores'],
    ['negative memory', { memoryBytes: -1 }, 'memoryBytes'],
    ['memory as text', { memoryBytes: '17179869184' }, 'memoryBytes'],
    ['memory above the largest safe integer', { memoryBytes: 9_007_199_254_740_992 }, 'memoryBytes'],
    ['memory of 1e308', { memoryBytes: 1e308 }, 'memoryBytes'],
    ['memory null', { memoryBytes: null }, 'memoryBytes'],
    ['memory "NaN"', { memoryBytes: 'NaN' }, 'memoryBytes'],
    ['another environment', { environment: 'HyperV' }, 'environment'],
    ['an environment in lower case', { environment: 'vmware' }, 'environment'],
    ['a missing name', { friendlyName: undefined }, 'friendlyName'],
    ['an empty name', { friendlyName: '' }, 'friendlyName'],
    ['a blank name', { friendlyName: ' \t ' }, 'friendlyName'],
    ['a name of 256 characters', { friendlyName: 'x'.repeat(256) }, 'friendlyName'],
    ['a name with a line feed', { friendlyName: 'ps\n1' }, 'friendlyName'],
    ['a name with a NUL', { friendlyName: 'ps\u00001' }, 'friendlyName'],
    ['a name with an escape', { friendlyName: '\u001b[31mred' }, 'friendlyName'],
    ['a name with a C1 control', { friendlyName: 'ps\u0085' }, 'friendlyName'],
    ['a name with a lone surrogate', { friendlyName: `ps-${LONE_SURROGATE}` }, 'friendlyName'],
    ['an invisible name', { friendlyName: '\u3164' }, 'friendlyName'],
    ['a name with a right-to-left override', { friendlyName: 'ps\u202e1-nilreb' }, 'friendlyName'],
    ['a name with a trailing space', { friendlyName: 'ps ' }, 'friendlyName'],
    ['a name that is an object', { friendlyName: { first: 'x' } }, 'friendlyName'],
    ['a name that is a list', { friendlyName: ['ps'] }, 'friendlyName'],
    ['a machine id of 129 characters', { machineId: 'x'.repeat(129) }, 'machineId'],
    ['a machine id with a trailing space', { machineId: 'machine-1 ' }, 'machineId'],
    ['a machine id with a leading space', { machineId: ' machine-1' }, 'machineId'],
    ['an operating system of 65 characters', { osType: 'x'.repeat(65) }, 'osType'],
    ['a clock that is not a timestamp', { sentAt: 'yesterday' }, 'sentAt'],
    ['a clock without a zone', { sentAt: '2026-11-23T09:00:00' }, 'sentAt'],
    ['a clock on 30 February', { sentAt: '2026-02-30T09:00:00Z' }, 'sentAt'],
    ['a clock as a number', { sentAt: 1_795_424_400 }, 'sentAt'],
    ['a clock in the year 10000', { sentAt: '10000-01-01T00:00:00Z' }, 'sentAt'],
    ['an unknown field', { favouriteColour: 'blue' }, 'favouriteColour'],
    ['a proxy that is text', { proxy: 'proxy.example.net' }, 'proxy'],
    ['a proxy that is a list', { proxy: [{ used: true }] }, 'proxy'],
    ['a proxy with a password', { proxy: { used: true, password: 'x' } }, 'proxy.password'],
    ['a proxy without `used`', { proxy: {} }, 'proxy.used'],
    ['a proxy port as text', { proxy: { used: true, port: '3128' } }, 'proxy.port'],
    ['a field named constructor', { constructor: 'x' }, 'constructor'],
    ['a field named hasOwnProperty', { hasOwnProperty: 'x' }, 'hasOwnProperty'],
    ['a field named then', { then: 'x' }, 'then'],
    ['a field named toJSON', { toJSON: 'x' }, 'toJSON'],
  ])('%s', async (_what, over, field) => {
    await rejected(await register(over), 'validation_failed', field);
  });

  it.each([
    [{ friendlyName: 'ps\u202e1' }, 'friendlyName must be one line of visible characters; U+202E is not allowed'],
    [{ machineId: 'machine-1 ' }, 'machineId must not end with white space'],
    [{ ipAddress: '::' }, 'ipAddress must be the address of one machine; this one is unspecified'],
    [{ ipAddress: undefined }, 'ipAddress is missing'],
    [{ proxy: {} }, 'proxy.used is missing'],
  ])('is named in the error: %j', async (over, detail) => {
    expect((await register(over)).body).toMatchObject({ detail });
  });

  it('rejects the control port as data port', async () => {
    await rejected(await register({ dataPort: 443 }), 'invalid_data_port', 'dataPort');
  });

  it('rejects a clock more than 15 minutes in the future', async () => {
    await rejected(await register({ sentAt: ahead(901) }), 'clock_in_future', 'sentAt');
  });

  it('names every invalid field in one response', async () => {
    const response = await register({ dataPort: 0, cpuCores: '8', ipAddress: 'x' });
    await rejected(response, 'validation_failed');
    const { errors } = response.body as { errors: { field: string }[] };
    expect(new Set(errors.map(({ field }) => field))).toEqual(new Set(['dataPort', 'cpuCores', 'ipAddress']));
  });
});

describe('the size of a problem response is bounded:', () => {
  const long = 'n'.repeat(60_000);
  const sizeOf = ({ body }: TestResponse): number => JSON.stringify(body).length;

  it('lists 20 of 5,000 unknown fields, and counts all', async () => {
    const response = await register(
      Object.fromEntries(Array.from({ length: 5_000 }, (_, number) => [`f${number}`, 1])),
    );
    await rejected(response, 'validation_failed', 'f0');
    expect(response.body).toMatchObject({ detail: '5000 things are wrong with the fields; here are the first 20.' });
    expect(response.body['errors']).toHaveLength(20);
  });

  it('lists all of 20, and describes the first', async () => {
    const response = await register(Object.fromEntries(Array.from({ length: 20 }, (_, number) => [`f${number}`, 1])));
    expect(response.body).toMatchObject({ detail: 'property f0 should not exist', errors: { length: 20 } });
  });

  it.each<[string, () => Promise<TestResponse>]>([
    ['an unknown field', () => register({ [long]: 1 })],
    ['a nested unknown field', () => register({ proxy: { used: true, [long]: 1 } })],
    ['a field nested too deep', () => register({ [long]: { a: { b: { c: { d: 1 } } } } })],
    ['an unknown query parameter', () => cluster.read(`/v1/process-servers?${long.slice(0, 10_000)}=1`)],
    ['a query parameter of a call that takes none', () => cluster.read(`/v1/fleet?${long.slice(0, 10_000)}=1`)],
  ])('truncates the name of %s', async (_what, call) => {
    const response = await call();
    await rejected(response, 'validation_failed');
    expect(sizeOf(response)).toBeLessThan(1_000);
    expect(response.body['errors']).toEqual([
      { field: expect.stringContaining(`${'n'.repeat(64)}…`), message: expect.stringContaining('n…') },
    ]);
  });
});

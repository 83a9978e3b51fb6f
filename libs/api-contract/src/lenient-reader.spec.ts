import { describe, expect, it } from '@jest/globals';
import { HeartbeatRequest } from './heartbeat.dto.js';
import { lenientReader, MAX_IGNORED } from './lenient-reader.js';

const read = lenientReader(HeartbeatRequest);
const readText = (text: string) => read(JSON.parse(text));
const SERVICE = { name: 'cxps', state: 'running' };

describe('a heartbeat with a member that cannot be used keeps the others', () => {
  /** Added to a generation and a count of pairs: what is kept of it, what is named, and which members of the contract are unusable. */
  it.each<[string, string, object, [string, string][], string[]]>([
    ['nothing else', '{}', {}, [], []],
    ['a null', '{"load":null,"services":null}', { load: null, services: null }, [], []],
    [
      'too much load',
      '{"load":{"cpuPercent":100.3,"freeCacheBytes":5}}',
      { load: { freeCacheBytes: 5 } },
      [['load.cpuPercent', 'cpuPercent must not be greater than 100']],
      [],
    ],
    [
      'negative load',
      '{"load":{"cpuPercent":-0.1}}',
      { load: {} },
      [['load.cpuPercent', 'cpuPercent must not be less than 0']],
      [],
    ],
    [
      'load as text',
      '{"load":{"cpuPercent":"37"}}',
      { load: {} },
      [['load.cpuPercent', 'cpuPercent must be a number conforming to the specified constraints']],
      [],
    ],
    [
      'bytes with a fraction',
      '{"load":{"throughputBytesPerSecond":1234.5}}',
      { load: {} },
      [['load.throughputBytesPerSecond', 'throughputBytesPerSecond must be an integer number']],
      [],
    ],
    [
      'load of another kind',
      '{"load":{"diskPercent":5,"cpuPercent":1}}',
      { load: { cpuPercent: 1 } },
      [['load.diskPercent', 'load.diskPercent is not known to this configuration server']],
      [],
    ],
    ['load that is a list', '{"load":[]}', {}, [['load', 'load must be an object']], ['load']],
    ['load that is text', '{"load":"high"}', {}, [['load', 'load must be an object']], ['load']],
    [
      'a service whose name ends in a blank',
      '{"services":[{"name":"cxps ","state":"running"}]}',
      {},
      [['services.0.name', 'name must not end with white space']],
      ['services'],
    ],
    [
      'a service without a state',
      '{"services":[{"name":"a","state":"b"},{"name":"cxps"}]}',
      {},
      [['services.1.state', 'services.1.state is missing']],
      ['services'],
    ],
    [
      'a service that is null',
      '{"services":[null]}',
      {},
      [['services.0', 'services.0 must be an object']],
      ['services'],
    ],
    [
      'a service that is a list',
      '{"services":[[[[[]]]]]}',
      {},
      [['services.0', 'services.0 must be an object']],
      ['services'],
    ],
    [
      'services that are an object',
      '{"services":{"constructor":{"prototype":1}}}',
      {},
      [['services', 'services must be an array']],
      ['services'],
    ],
    [
      '65 services',
      JSON.stringify({ services: Array.from({ length: 65 }, () => SERVICE) }),
      {},
      [['services', 'services must contain no more than 64 elements']],
      ['services'],
    ],
    [
      'a service with more members',
      '{"services":[{"name":"cxps","state":"running","pid":5}]}',
      { services: [SERVICE] },
      [['services.0.pid', 'services.0.pid is not known to this configuration server']],
      [],
    ],
    [
      'a count as text',
      '{"protectedMachineCount":"5"}',
      {},
      [['protectedMachineCount', 'protectedMachineCount must be an integer number']],
      ['protectedMachineCount'],
    ],
    [
      'a certificate that never ends',
      '{"certificateExpiresAt":"9999-12-31T23:59:59Z"}',
      {},
      [['certificateExpiresAt', 'certificateExpiresAt must be an RFC 3339 instant, e.g. 2026-11-23T09:00:00Z']],
      ['certificateExpiresAt'],
    ],
    [
      'a leap second',
      '{"sentAt":"2026-12-31T23:59:60Z"}',
      {},
      [['sentAt', 'sentAt must be an RFC 3339 instant, e.g. 2026-11-23T09:00:00Z']],
      ['sentAt'],
    ],
    [
      'an instance of 65 characters',
      JSON.stringify({ instanceId: 'x'.repeat(65) }),
      {},
      [['instanceId', 'instanceId must be text of 1 to 64 characters']],
      ['instanceId'],
    ],
    [
      'a version of three parts',
      '{"agentVersion":"9.63.1"}',
      {},
      [['agentVersion', 'agentVersion must have four numbers from 0 to 65535, e.g. 9.63.7187.1']],
      ['agentVersion'],
    ],
    [
      'a member of a newer agent',
      '{"queueDepth":{"a":{"b":{"c":{"d":[[1]]}}}}}',
      {},
      [['queueDepth', 'queueDepth is not known to this configuration server']],
      [],
    ],
    [
      'a name that is cut',
      JSON.stringify({ ['n'.repeat(200)]: 1 }),
      {},
      [[`${'n'.repeat(64)}…`, `${'n'.repeat(64)}… is not known to this configuration server`]],
      [],
    ],
    [
      'a name of two lines',
      '{"a\\nb\\ud800":1}',
      {},
      [['a\ufffdb\ufffd', 'a\ufffdb\ufffd is not known to this configuration server']],
      [],
    ],
  ])('%s', (_what, text, usable, named, unusable) => {
    const reading = readText(
      `{"generation":3,"replicationPairCount":7${text === '{}' ? '' : `,${text.slice(1, -1)}`}}`,
    );
    expect(reading).toEqual({
      usable: { generation: 3, replicationPairCount: 7, ...usable },
      ignored: named.map(([field, message]) => ({ field, message })),
      unusable,
      errors: [],
    });
  });

  it.each(['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'then', 'toJSON', 'toString'])(
    'a member named %s reaches no object',
    (name) => {
      const member = `{"isAdmin":true,"prototype":{"isAdmin":true}}`;
      const reading = readText(
        `{"generation":1,"${name}":${member},"load":{"${name}":${member}},"services":[{"name":"a","state":"b","${name}":${member}}]}`,
      );
      expect(reading?.usable).toEqual({ generation: 1, load: {}, services: [{ name: 'a', state: 'b' }] });
      expect(reading?.ignored.map(({ field }) => field)).toEqual([name, `load.${name}`, `services.0.${name}`]);
      for (const object of [{}, reading?.usable, reading?.usable.load])
        expect((object as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    },
  );

  it('names no more than 20, those of the contract first', () => {
    const unknown = Object.fromEntries(Array.from({ length: 5_000 }, (_, number) => [`f${number}`, 1]));
    const reading = read({ ...unknown, generation: 1, protectedMachineCount: -1 });
    expect(reading?.ignored).toHaveLength(MAX_IGNORED);
    expect(reading?.ignored.slice(0, 2).map(({ field }) => field)).toEqual(['protectedMachineCount', 'f0']);
  });
});

describe('a required member', () => {
  it.each([
    ['{}', 'generation is missing'],
    ['{"generation":"1"}', 'generation must be an integer number'],
    ['{"generation":0}', 'generation must not be less than 1'],
    ['{"generation":4294967296}', 'generation must not be greater than 4294967295'],
    ['{"generation":null}', 'generation must be an integer number'],
  ])('of %s is a fault: %s', (text, message) => {
    expect(readText(text)?.errors).toEqual([{ field: 'generation', message }]);
  });
});

it.each(['null', '1', '"x"', '[]', '[{"generation":1}]', 'true'])('%s is no JSON object', (text) => {
  expect(readText(text)).toBeNull();
});

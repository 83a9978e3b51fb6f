import { describe, expect, it } from '@jest/globals';
import { HeartbeatRequest } from './heartbeat.dto.js';
import { lenientReader, MAX_IGNORED } from './lenient-reader.js';

const read = lenientReader(HeartbeatRequest);
const readText = (text: string) => read(JSON.parse(text));
const SERVICE = { name: 'cxps', state: 'running' };

describe('a heartbeat with an unusable member', () => {
  /** Members added to a generation and a pair count: the usable ones, the ignored ones with their messages, and the unusable ones of the contract. */
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
      'more available memory than memory, and more free cache than cache',
      '{"load":{"availableMemoryBytes":11,"totalMemoryBytes":10,"totalCacheBytes":1,"freeCacheBytes":2,"cpuPercent":1}}',
      { load: { totalMemoryBytes: 10, totalCacheBytes: 1, cpuPercent: 1 } },
      [
        ['load.availableMemoryBytes', 'availableMemoryBytes must not be greater than totalMemoryBytes'],
        ['load.freeCacheBytes', 'freeCacheBytes must not be greater than totalCacheBytes'],
      ],
      [],
    ],
    [
      'a part that equals its whole, and parts without a whole',
      '{"load":{"totalMemoryBytes":10,"availableMemoryBytes":10,"freeCacheBytes":2}}',
      { load: { totalMemoryBytes: 10, availableMemoryBytes: 10, freeCacheBytes: 2 } },
      [],
      [],
    ],
    [
      'a part of an unusable whole',
      '{"load":{"totalMemoryBytes":-1,"availableMemoryBytes":2,"totalCacheBytes":null,"freeCacheBytes":2}}',
      { load: { availableMemoryBytes: 2, totalCacheBytes: null, freeCacheBytes: 2 } },
      [['load.totalMemoryBytes', 'totalMemoryBytes must not be less than 0']],
      [],
    ],
    [
      'a part of nothing',
      '{"load":{"totalMemoryBytes":0,"availableMemoryBytes":1,"totalCacheBytes":0,"freeCacheBytes":0}}',
      { load: { totalMemoryBytes: 0, totalCacheBytes: 0, freeCacheBytes: 0 } },
      [['load.availableMemoryBytes', 'availableMemoryBytes must not be greater than totalMemoryBytes']],
      [],
    ],
    [
      'an unknown load member',
      '{"load":{"diskPercent":5,"cpuPercent":1}}',
      { load: { cpuPercent: 1 } },
      [['load.diskPercent', 'load.diskPercent is not known to this configuration server']],
      [],
    ],
    ['load as a list', '{"load":[]}', {}, [['load', 'load must be an object']], ['load']],
    ['load as a text', '{"load":"high"}', {}, [['load', 'load must be an object']], ['load']],
    [
      'a service name with white space at its end',
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
    ['a service as null', '{"services":[null]}', {}, [['services.0', 'services.0 must be an object']], ['services']],
    [
      'a service as a list',
      '{"services":[[[[[]]]]]}',
      {},
      [['services.0', 'services.0 must be an object']],
      ['services'],
    ],
    [
      'services as an object',
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
      'a service with an unknown member',
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
      'a certificate beyond the supported years',
      '{"certificateExpiresAt":"9999-12-31T23:59:59Z"}',
      {},
      [['certificateExpiresAt', 'certificateExpiresAt must be an RFC 3339 timestamp, e.g. 2026-11-23T09:00:00Z']],
      ['certificateExpiresAt'],
    ],
    [
      'a leap second',
      '{"sentAt":"2026-12-31T23:59:60Z"}',
      {},
      [['sentAt', 'sentAt must be an RFC 3339 timestamp, e.g. 2026-11-23T09:00:00Z']],
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
      'a truncated name',
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
  ])('keeps the other members: %s', (_what, text, usable, named, unusable) => {
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
    'does not copy a member named %s to an object',
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

  it('names at most 20 ignored members, those of the contract first', () => {
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
  ])('of %s is an error: %s', (text, message) => {
    expect(readText(text)?.errors).toEqual([{ field: 'generation', message }]);
  });
});

it.each(['null', '1', '"x"', '[]', '[{"generation":1}]', 'true'])('returns null for %s', (text) => {
  expect(readText(text)).toBeNull();
});

import { plainToInstance } from 'class-transformer';
import { IsInt, IsOptional, IsString, ValidateIf, validateSync } from 'class-validator';
import { describe, expect, it } from '@jest/globals';
import { compiledCheck } from './compiled-check.js';
import { HeartbeatRequest } from './heartbeat.wire.js';

const LOAD = {
  cpuPercent: 12.5,
  totalMemoryBytes: 17_179_869_184,
  availableMemoryBytes: 0,
  totalCacheBytes: null,
  freeCacheBytes: 1,
  throughputBytesPerSecond: 0,
  pendingUploadBytes: 9_007_199_254_740_991,
};
const FULL = {
  generation: 4_294_967_295,
  machineId: '42-1f',
  instanceId: 'ƒ',
  agentVersion: '9.63.7187.1',
  sentAt: '2026-11-23T09:00:30.5+01:00',
  load: LOAD,
  services: [{ name: 'cxprocessserver', state: 'running' }],
  protectedMachineCount: 0,
  replicationPairCount: 3,
  certificateExpiresAt: '2027-02-28T00:00:00Z',
};
/** What JSON can hold, at the edges; each is put in the place of every member. */
const ODD_VALUES = [undefined, null, true, 0, -1, 0.5, NaN, Infinity, 2 ** 53, 4_294_967_296, '', ' ', 'x', '1', '\u0000', '\ud800', 'x'.repeat(129), [], [null], [{}], {}, { name: 'a' }];

const isHeartbeat = compiledCheck(HeartbeatRequest);
const passesClassValidator = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && !Array.isArray(body) &&
  validateSync(plainToInstance(HeartbeatRequest, body), { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true }).length === 0;

const variants = (whole: object, rebuilt: (changed: object) => unknown): unknown[] =>
  [...Object.keys(whole), 'unknown'].flatMap((name) => ODD_VALUES.map((value) => rebuilt({ ...whole, [name]: value })));

const bodies: unknown[] = [
  ...ODD_VALUES,
  { generation: 1 },
  FULL,
  ...variants(FULL, (body) => body),
  ...variants(LOAD, (load) => ({ ...FULL, load })),
  ...variants(FULL.services[0]!, (service) => ({ ...FULL, services: [FULL.services[0], service] })),
  { ...FULL, services: Array.from({ length: 1_000 }, () => FULL.services[0]) },
];

describe('a check compiled from the class of the heartbeat', () => {
  it.each([[{ generation: 1 }], [FULL], [{ ...FULL, load: {} }], [{ ...FULL, load: null, services: null }], [{ ...FULL, services: [] }]])('lets pass what is well made: %j', (body) => {
    expect(isHeartbeat(body)).toBe(true);
  });

  it('says of every body just what class-validator says', () => {
    const differing = bodies.filter((body) => isHeartbeat(body) !== passesClassValidator(body));
    expect(differing).toEqual([]);
    expect(bodies.filter(isHeartbeat).length).toBeGreaterThan(20);
  });

  class EachText {
    @IsString({ each: true })
    readonly texts!: string[];
  }
  class Conditional {
    @IsOptional()
    @ValidateIf(() => false)
    @IsInt()
    readonly number?: number;
  }
  it.each([EachText, Conditional])('does not start with a decorator that it would read wrongly: %p', (wireClass) => {
    expect(() => compiledCheck(wireClass)).toThrow(/no compiled check/);
  });
});

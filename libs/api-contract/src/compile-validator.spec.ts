import { plainToInstance, Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, ValidateIf, validateSync } from 'class-validator';
import { describe, expect, it } from '@jest/globals';
import { compileValidator, type DtoClass } from './compile-validator.js';
import * as wire from './index.js';

const {
  ApiKeyRequest,
  ApplyPurgeRequest,
  EnrolmentRequest,
  HeartbeatRequest,
  PurgePlanRequest,
  PurgeRequest,
  RegisterRequest,
  RevokeCredentialRequest,
  RotatePassphraseRequest,
} = wire;

const HEARTBEAT = {
  generation: 4_294_967_295,
  machineId: '42-1f',
  instanceId: 'ƒ',
  agentVersion: '9.63.7187.1',
  sentAt: '2026-11-23T09:00:30.5+01:00',
  load: {
    cpuPercent: 12.5,
    totalMemoryBytes: 17_179_869_184,
    availableMemoryBytes: 0,
    totalCacheBytes: null,
    freeCacheBytes: 1,
    throughputBytesPerSecond: 0,
    pendingUploadBytes: 9_007_199_254_740_991,
  },
  services: [{ name: 'cxprocessserver', state: 'running' }],
  protectedMachineCount: 0,
  replicationPairCount: 3,
  churnBytesPerDay: 9_007_199_254_740_991,
  certificateExpiresAt: '2027-02-28T00:00:00Z',
};
const REGISTRATION = {
  friendlyName: 'ps-berlin-1',
  fqdn: 'ps-berlin-1.example.net',
  ipAddress: '2001:DB8::1',
  dataPort: 443,
  osType: 'Windows',
  osVersion: 'Server 2022',
  agentVersion: '9.63.7187.1',
  machineId: 'machine-1',
  environment: 'NonVMware',
  cpuCores: 65_535,
  memoryBytes: 9_007_199_254_740_991,
  cacheDiskBytes: 0,
  sentAt: '2026-11-23T09:00:30Z',
  proxy: { used: true, address: 'proxy.example.net', port: 3_128, authenticated: false },
};
const PLAN = {
  connectionState: 'Disconnected',
  lifecycle: 'Registered',
  versionStatus: 'NotSupported',
  health: 'None',
  ipAddress: '192.0.2.11',
  friendlyName: 'ps ',
  passphraseId: '0199F0C4-3f5e-7cc1-9d43-5f4c5b3a2e11',
  silentForSeconds: 0,
};

/** Every request body of the contract, with all members. */
const BODIES: readonly (readonly [DtoClass, object])[] = [
  [HeartbeatRequest, HEARTBEAT],
  [RegisterRequest, REGISTRATION],
  [PurgeRequest, { generation: 1, reason: 'scrapped', force: true }],
  [PurgePlanRequest, PLAN],
  [ApplyPurgeRequest, { expectedCount: 1_000, reason: 'scrapped', acknowledgeShare: false }],
  [RevokeCredentialRequest, { generation: 1, reason: 'its disk was copied' }],
  [ApiKeyRequest, { name: 'portal', role: 'reader', expiresAt: '2027-02-28T00:00:00Z' }],
  [RotatePassphraseRequest, { overlapSeconds: 0 }],
  [EnrolmentRequest, { expiresAt: '2027-02-28T00:00:00Z', maxRegistrations: 2, note: 'Berlin' }],
];

/** Edge cases of JSON values; each replaces every member. */
const EDGE_CASES = [
  undefined,
  null,
  true,
  0,
  -1,
  0.5,
  NaN,
  Infinity,
  443,
  2 ** 53,
  4_294_967_296,
  '',
  ' ',
  'x',
  '1',
  '10.0.0.1',
  '\u0000',
  '\ud800',
  'x'.repeat(129),
  'x'.repeat(501),
  [],
  [null],
  [{}],
  {},
  { name: 'a' },
];

const isAcceptedByClassValidator = (dtoClass: DtoClass, body: unknown): boolean =>
  typeof body === 'object' &&
  body !== null &&
  !Array.isArray(body) &&
  validateSync(plainToInstance(dtoClass, body), {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
  }).length === 0;

/** The body with each member replaced by an edge case, omitted, or varied itself. */
function variants(whole: object): object[] {
  return [...Object.entries(whole), ['unknown', undefined] as const].flatMap(([name, member]) => {
    const { [name]: _left, ...without } = whole as Record<string, unknown>;
    const inner = Array.isArray(member)
      ? variants(member[0] as object).map((item) => [member[0], item])
      : typeof member === 'object' && member !== null
        ? variants(member as object)
        : [];
    return [without, ...[...EDGE_CASES, ...inner].map((value) => ({ ...whole, [name]: value }))];
  });
}

describe('compileValidator', () => {
  it.each(BODIES)('agrees with class-validator on every body of a %p', (dtoClass, whole) => {
    const check = compileValidator(dtoClass);
    const bodies = [...EDGE_CASES, ...variants(whole)];
    expect(bodies.filter((body) => check(body) !== isAcceptedByClassValidator(dtoClass, body))).toEqual([]);
    expect(check(whole)).toBe(true);
    expect(bodies.filter((body) => !check(body)).length).toBeGreaterThan(40);
  });

  it.each([
    [{ generation: 1 }],
    [{ ...HEARTBEAT, load: {} }],
    [{ ...HEARTBEAT, load: null, services: null }],
    [{ ...HEARTBEAT, services: [] }],
  ])('accepts a valid body: %j', (body) => {
    expect(compileValidator(HeartbeatRequest)(body)).toBe(true);
  });

  it.each([
    ['availableMemoryBytes', 'totalMemoryBytes'],
    ['freeCacheBytes', 'totalCacheBytes'],
  ])('rejects %s above %s, like class-validator', (part, whole) => {
    const check = compileValidator(HeartbeatRequest);
    for (const [partBytes, wholeBytes, accepted] of [
      [9, 10, true],
      [10, 10, true],
      [11, 10, false],
      [0, 0, true],
      [1, 0, false],
      [1, null, true],
      [null, 1, true],
    ] as const) {
      const body = { generation: 1, load: { [part]: partBytes, [whole]: wholeBytes } };
      expect([body, check(body), isAcceptedByClassValidator(HeartbeatRequest, body)]).toEqual([
        body,
        accepted,
        accepted,
      ]);
    }
  });

  it('covers every request body that it can compile', () => {
    const isCompiled = (dtoClass: DtoClass): boolean => {
      try {
        return compileValidator(dtoClass) !== null;
      } catch {
        return false;
      }
    };
    const bodies = Object.values(wire as unknown as Record<string, unknown>).filter(
      (one) => typeof one === 'function' && one.name.endsWith('Request') && isCompiled(one as DtoClass),
    );
    expect(new Set(BODIES.map(([dtoClass]) => dtoClass))).toEqual(new Set(bodies));
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
  class Trimmed {
    @IsString()
    @Transform(({ value }) => String(value).trim())
    readonly text!: string;
  }
  it.each([
    [EachText, /no compiled check/],
    [Conditional, /no compiled check/],
    [Trimmed, /cannot be transformed/],
  ])('rejects an unsupported decorator: %p', (dtoClass, message) => {
    expect(() => compileValidator(dtoClass)).toThrow(message);
  });
});

import { describe, expect, it } from '@jest/globals';
import { heartbeatLimitsWithin } from './statement-size.js';

const LIMITS = { queueLength: 20_000, groupSize: 500, perServerPerSecond: 20, servicesInGroup: 2_000 };
const MIB = 1_048_576;

describe('groups of heartbeats', () => {
  it.each([
    [1 * MIB, 64, 256],
    [4 * MIB, 256, 1_024],
    [16 * MIB, 500, 2_000],
    [1_024 * MIB, 500, 2_000],
    [1, 1, 1],
  ])(
    'for a server that takes statements of %d bytes hold at most %d heartbeats and %d services',
    (maxPacketBytes, groupSize, servicesInGroup) => {
      expect(heartbeatLimitsWithin(maxPacketBytes, LIMITS)).toEqual({ ...LIMITS, groupSize, servicesInGroup });
    },
  );
});

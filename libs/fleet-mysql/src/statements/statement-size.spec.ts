import { describe, expect, it } from '@jest/globals';
import { limitHeartbeatBatches } from './statement-size.js';

const LIMITS = { maxQueueLength: 20_000, maxBatchSize: 500, maxPerServerPerSecond: 20, maxServicesPerBatch: 2_000 };
const MIB = 1_048_576;

describe('batches of heartbeats', () => {
  it.each([
    [1 * MIB, 64, 256],
    [4 * MIB, 256, 1_024],
    [16 * MIB, 500, 2_000],
    [1_024 * MIB, 500, 2_000],
    [1, 1, 1],
  ])(
    'with a packet limit of %d bytes have at most %d heartbeats and %d services',
    (maxPacketBytes, maxBatchSize, maxServicesPerBatch) => {
      expect(limitHeartbeatBatches(maxPacketBytes, LIMITS)).toEqual({ ...LIMITS, maxBatchSize, maxServicesPerBatch });
    },
  );
});

import type { HeartbeatLimits } from '@app/fleet';

/** The most that one heartbeat adds to a statement, in bytes: instance ids and ignored members with every character escaped twice, and the rest. */
const HEARTBEAT_BYTES = 8_192;
/** The most that one reported service adds, in bytes: 160 characters of four bytes, escaped and in hexadecimal. */
const SERVICE_BYTES = 2_048;
/** Statements that are sent as one text share the packet. */
const SHARE_OF_PACKET = 0.5;

/** Bounds the groups of heartbeats so that their statements fit into the server's `max_allowed_packet`: a larger one would fail as a whole. */
export function limitHeartbeatBatches(maxPacketBytes: number, limits: HeartbeatLimits): HeartbeatLimits {
  const maxItems = (bytes: number): number => Math.max(1, Math.floor((SHARE_OF_PACKET * maxPacketBytes) / bytes));
  return {
    ...limits,
    maxBatchSize: Math.min(limits.maxBatchSize, maxItems(HEARTBEAT_BYTES)),
    maxServicesPerBatch: Math.min(limits.maxServicesPerBatch, maxItems(SERVICE_BYTES)),
  };
}

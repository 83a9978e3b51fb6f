import type { HeartbeatLimits } from '@app/fleet';

/** Maximum size of a heartbeat in a statement, in bytes, with every character of instance ids and ignored members escaped twice. */
const HEARTBEAT_BYTES = 8_192;
/** Maximum size of a reported service, in bytes: 160 characters of four bytes, escaped and in hexadecimal. */
const SERVICE_BYTES = 2_048;
/** Statements that are sent in one text share the packet. */
const SHARE_OF_PACKET = 0.5;

/** Limits batches of heartbeats so that their statements fit into `max_allowed_packet`: a larger batch would fail as a whole. */
export function limitHeartbeatBatches(maxPacketBytes: number, limits: HeartbeatLimits): HeartbeatLimits {
  const maxItems = (bytes: number): number => Math.max(1, Math.floor((SHARE_OF_PACKET * maxPacketBytes) / bytes));
  return {
    ...limits,
    maxBatchSize: Math.min(limits.maxBatchSize, maxItems(HEARTBEAT_BYTES)),
    maxServicesPerBatch: Math.min(limits.maxServicesPerBatch, maxItems(SERVICE_BYTES)),
  };
}

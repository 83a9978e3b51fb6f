import { callerAuthor } from './fleet-event.js';
import { FleetError } from '../fleet-error.js';
import { rejectionEventKind } from '../heartbeats/heartbeat.js';
import type { Registry } from '../ports.js';
import type { Actor } from '../process-server.js';

interface AuditedCall {
  readonly hostId: string;
  readonly generation: number | null;
  readonly actor: Actor;
  readonly call: string;
  /** The secret of a registration. */
  readonly passphraseId?: string;
  readonly enrolmentId?: string;
}

/** Runs `work`, and records the event of a rejection that concerns operators, at most once an hour. */
export async function withRejectionAudit<A>(
  registry: Registry,
  { hostId, generation, actor, ...called }: AuditedCall,
  work: () => Promise<A>,
): Promise<A> {
  try {
    return await work();
  } catch (error) {
    const kind = error instanceof FleetError ? rejectionEventKind(error.details) : null;
    if (error instanceof FleetError && kind) {
      const detail = { ...error.details, ...called };
      const isOfMany = error.details.code === 'registration_rate_exceeded' && error.details.of === 'new_host_ids';
      // A rejection that cannot be recorded now is recorded when it recurs; the response stays the same.
      await registry
        .recordRejection({ kind, hostId: isOfMany ? null : hostId, generation, ...callerAuthor(actor), detail })
        .catch(() => undefined);
    }
    throw error;
  }
}

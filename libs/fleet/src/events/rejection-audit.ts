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
  /** Of a registration. */
  readonly passphraseId?: string;
}

/** Does the work, and when it is refused in a way that an operator will want to see, notes that once an hour. */
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
      // One that cannot be noted now is noted when it comes again; the answer stays what was decided.
      await registry
        .recordRejection({ kind, hostId: isOfMany ? null : hostId, generation, ...callerAuthor(actor), detail })
        .catch(() => undefined);
    }
    throw error;
  }
}

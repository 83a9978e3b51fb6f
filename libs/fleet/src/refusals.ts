import { calledBy } from './fleet-event.js';
import { FleetError } from './fleet-fault.js';
import { refusalKind } from './heartbeat.js';
import type { Registry } from './ports.js';
import type { Actor } from './process-server.js';

interface RefusedCall {
  readonly hostId: string;
  readonly generation: number | null;
  readonly actor: Actor;
  readonly call: string;
  /** Of a registration. */
  readonly passphraseId?: string;
}

/** Does the work, and when it is refused in a way that an operator will want to see, notes that once an hour. */
export async function notingRefusals<A>(
  registry: Registry,
  { hostId, generation, actor, ...called }: RefusedCall,
  work: () => Promise<A>,
): Promise<A> {
  try {
    return await work();
  } catch (error) {
    const kind = error instanceof FleetError ? refusalKind(error.fault) : null;
    if (error instanceof FleetError && kind) {
      const detail = { ...error.fault, ...called };
      const isOfMany = error.fault.code === 'registration_rate_exceeded' && error.fault.of === 'new_host_ids';
      // One that cannot be noted now is noted when it comes again; the answer stays what was decided.
      await registry
        .noteRefusal({ kind, hostId: isOfMany ? null : hostId, generation, ...calledBy(actor), detail })
        .catch(() => undefined);
    }
    throw error;
  }
}

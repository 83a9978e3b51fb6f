import { decommission, type CleanUpTiming, type DecommissionOrder } from './decommission.js';
import type { Registry } from './ports.js';
import type { Decommission } from './process-server.js';
import { purge, type PurgeAnswer, type PurgeOrder } from './purge.js';
import { revokeCredential, type RevocationOrder } from './revocation.js';
import { notingRefusals } from './refusals.js';

/** The ways out of the fleet: in order, by decommissioning; by purge, for those that can no longer speak; and out of trust. */
export class Departures {
  constructor(
    private readonly registry: Registry,
    private readonly timing: CleanUpTiming,
  ) {}

  /** @throws FleetError as `decommission`. */
  decommission(hostId: string, order: DecommissionOrder): Promise<Decommission> {
    const work = (): Promise<Decommission> =>
      this.registry.change(hostId, (held) => decommission(order, held, this.timing));
    if (order.by.kind === 'operator') return work();
    return notingRefusals(
      this.registry,
      { hostId, generation: order.by.generation, actor: order.actor, call: 'decommission' },
      work,
    );
  }

  /** Not a departure yet: what it says from now on does not count. @throws FleetError as `revokeCredential`. */
  revokeCredential(hostId: string, order: RevocationOrder): Promise<void> {
    return this.registry.change(hostId, (held) => revokeCredential(order, held));
  }

  /** @throws FleetError as `purge`. */
  purge(hostId: string, order: PurgeOrder): Promise<PurgeAnswer> {
    return this.registry.change(hostId, (held) => purge(hostId, order, held));
  }
}

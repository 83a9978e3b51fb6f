import { decommission, type CleanUpTiming, type DecommissionCommand } from './decommission.js';
import type { Registry } from '../ports.js';
import type { Decommission } from '../process-server.js';
import { purge, type PurgeResult, type PurgeCommand } from './purge.js';
import { revokeCredential, type RevokeCredentialCommand } from '../registration/credential-revocation.js';
import { withRejectionAudit } from '../events/rejection-audit.js';

/** The ways out of the fleet: in order, by decommissioning; by purge, for those that can no longer speak; and out of trust. */
export class RemovalService {
  constructor(
    private readonly registry: Registry,
    private readonly timing: CleanUpTiming,
  ) {}

  /** @throws FleetError as `decommission`. */
  decommission(hostId: string, command: DecommissionCommand): Promise<Decommission> {
    const work = (): Promise<Decommission> =>
      this.registry.change(hostId, (locked) => decommission(command, locked, this.timing));
    if (command.by.kind === 'operator') return work();
    return withRejectionAudit(
      this.registry,
      { hostId, generation: command.by.generation, actor: command.actor, call: 'decommission' },
      work,
    );
  }

  /** Not a departure yet: what it says from now on does not count. @throws FleetError as `revokeCredential`. */
  revokeCredential(hostId: string, command: RevokeCredentialCommand): Promise<void> {
    return this.registry.change(hostId, (locked) => revokeCredential(command, locked));
  }

  /** @throws FleetError as `purge`. */
  purge(hostId: string, command: PurgeCommand): Promise<PurgeResult> {
    return this.registry.change(hostId, (locked) => purge(hostId, command, locked));
  }
}

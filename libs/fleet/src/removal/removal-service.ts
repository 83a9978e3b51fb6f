import { decommission, type CleanUpTiming, type DecommissionCommand } from './decommission.js';
import type { Registry } from '../ports.js';
import type { Decommission } from '../process-server.js';
import { purge, type PurgeResult, type PurgeCommand } from './purge.js';
import { revokeCredential, type RevokeCredentialCommand } from '../registration/credential-revocation.js';
import { withRejectionAudit } from '../events/rejection-audit.js';

/** Removes process servers: by decommissioning, or by purge when they are Disconnected; and revokes their credentials. */
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

  /** Revokes the credential without removing the entry: further calls with it are rejected. @throws FleetError as `revokeCredential`. */
  revokeCredential(hostId: string, command: RevokeCredentialCommand): Promise<void> {
    return this.registry.change(hostId, (locked) => revokeCredential(command, locked));
  }

  /** @throws FleetError as `purge`. */
  purge(hostId: string, command: PurgeCommand): Promise<PurgeResult> {
    return this.registry.change(hostId, (locked) => purge(hostId, command, locked));
  }
}

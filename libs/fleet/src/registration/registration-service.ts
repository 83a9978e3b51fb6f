import { FleetError } from '../fleet-error.js';
import { assignInterval } from '../heartbeats/lease.js';
import type { CredentialIssuer, Randomness, Registry } from '../ports.js';
import { withRejectionAudit } from '../events/rejection-audit.js';
import type { RegistrationRate } from './registration-rate.js';
import {
  register,
  registrationErrors,
  registrationWarnings,
  secretOf,
  type Finding,
  type RegistrationResult,
  type RegistrationCommand,
  type RegistrationPolicy,
} from './registration.js';

/** Registers process servers. */
export class RegistrationService {
  constructor(
    private readonly registry: Registry,
    private readonly issuer: CredentialIssuer,
    private readonly randomness: Randomness,
    private readonly fleetSize: () => number,
    private readonly policy: RegistrationPolicy,
    private readonly rate: RegistrationRate,
  ) {}

  /** @throws FleetError as `register`, and `registration_rate_exceeded`. */
  async register(command: RegistrationCommand): Promise<RegistrationResult> {
    const { hostId, facts, actor } = command;
    const possibleDuplicates = await this.registry.findPossibleDuplicates(hostId, facts);
    const assignedIntervalSeconds = assignInterval(this.fleetSize(), this.policy.leaseTiming, this.randomness.random());
    return withRejectionAudit(
      this.registry,
      { hostId, generation: null, actor, call: 'register', ...secretOf(command) },
      () =>
        this.registry.change(hostId, (locked) => {
          if (!locked.entry) this.rate.admitNew(command); // before any other rejection, which would write an event for each host id
          const decision = register(
            command,
            locked,
            possibleDuplicates,
            assignedIntervalSeconds,
            this.policy,
            this.issuer,
          );
          if (locked.entry) this.rate.admitAgain(command); // after the decision: a rejected registration changes nothing and is not counted
          return decision;
        }),
    );
  }

  /** Checks what a registration would return now; writes nothing. */
  async preflight(
    command: RegistrationCommand,
  ): Promise<{ readonly wouldRegister: boolean; readonly findings: readonly Finding[] }> {
    const { hostId, facts } = command;
    const locked = await this.registry.find(hostId);
    const possibleDuplicates = await this.registry.findPossibleDuplicates(hostId, facts);
    const errors = registrationErrors(command, locked, this.policy).map((rejection): Finding => ({
      code: rejection.code,
      severity: 'refusal',
      message: new FleetError(rejection).explanation,
    }));
    return {
      wouldRegister: errors.length === 0,
      findings: [...errors, ...registrationWarnings(command, locked.at, possibleDuplicates, this.policy)],
    };
  }
}

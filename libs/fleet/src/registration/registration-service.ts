import { assignInterval } from '../heartbeats/lease.js';
import type { CredentialIssuer, Randomness, Registry } from '../ports.js';
import { withRejectionAudit } from '../events/rejection-audit.js';
import { errorFinding, registrationFindings, secretFindings, type PresentedSecret } from './registration-findings.js';
import type { RegistrationRate } from './registration-rate.js';
import {
  register,
  registrationErrors,
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

  /** Everything that a registration would find now; writes nothing. With an enrolment that permits no registration, nothing of the registry is shown. */
  async preflight(
    command: RegistrationCommand,
    secret: PresentedSecret,
  ): Promise<{ readonly wouldRegister: boolean; readonly findings: readonly Finding[] }> {
    const { hostId, facts } = command;
    const record = await this.registry.find(hostId);
    const ofSecret = secretFindings(secret, facts, record.entry, record.at);
    const mayRead = ofSecret.every(({ severity }) => severity !== 'error');
    const locked = mayRead ? record : { ...record, entry: null, tombstone: null };
    const possibleDuplicates = mayRead ? await this.registry.findPossibleDuplicates(hostId, facts) : [];
    const findings = [
      ...ofSecret,
      ...registrationErrors(command, locked, this.policy).map(errorFinding),
      ...registrationFindings(command, locked.at, possibleDuplicates, this.policy),
    ];
    return { wouldRegister: findings.every(({ severity }) => severity !== 'error'), findings };
  }
}

import { FleetError } from './fleet-fault.js';
import { intervalToTell } from './lease.js';
import type { CredentialMint, Randomness, Registry } from './ports.js';
import { notingRefusals } from './refusals.js';
import type { RegistrationRate } from './registration-rate.js';
import {
  register,
  registrationFaults,
  registrationWarnings,
  type Finding,
  type RegistrationAnswer,
  type RegistrationOrder,
  type RegistrationTerms,
} from './registration.js';

/** Lets process servers into the fleet. */
export class Registrar {
  constructor(
    private readonly registry: Registry,
    private readonly mint: CredentialMint,
    private readonly randomness: Randomness,
    private readonly fleetSize: () => number,
    private readonly terms: RegistrationTerms,
    private readonly rate: RegistrationRate,
  ) {}

  /** @throws FleetError as `register`; `registration_rate_exceeded`. */
  async register(order: RegistrationOrder): Promise<RegistrationAnswer> {
    const { hostId, facts, actor, passphraseId } = order;
    const neighbours = await this.registry.neighbours(hostId, facts);
    const told = intervalToTell(this.fleetSize(), this.terms.leaseTiming, this.randomness.fraction());
    return notingRefusals(this.registry, { hostId, generation: null, actor, call: 'register', passphraseId }, () =>
      this.registry.change(hostId, (held) => {
        if (!held.entry) this.rate.admitNew(order); // before another refusal: that would be an event of its own for each host id
        const decision = register(order, held, neighbours, told, this.terms, this.mint);
        if (held.entry) this.rate.admitAgain(order); // after it: a refused registration changes nothing
        return decision;
      }),
    );
  }

  /** What would be found if it registered now; writes nothing. */
  async preflight(
    order: RegistrationOrder,
  ): Promise<{ readonly wouldRegister: boolean; readonly findings: readonly Finding[] }> {
    const { hostId, facts } = order;
    const held = await this.registry.find(hostId);
    const neighbours = await this.registry.neighbours(hostId, facts);
    const refusals = registrationFaults(order, held, this.terms).map((fault): Finding => ({
      code: fault.code,
      severity: 'refusal',
      message: new FleetError(fault).explanation,
    }));
    return {
      wouldRegister: refusals.length === 0,
      findings: [...refusals, ...registrationWarnings(order, held.now, neighbours, this.terms)],
    };
  }
}

import type { KeyPage } from '../keys/key-service.js';
import { FleetError } from '../fleet-error.js';
import type { Clock, Enrolments, EnrolmentTokenIssuer, Identifiers } from '../ports.js';
import type { Actor } from '../process-server.js';
import { createEnrolment, revokeEnrolment, type CreateEnrolmentCommand, type Enrolment } from './enrolment.js';

/** A new enrolment with its token, which is returned only once. */
export interface IssuedEnrolment {
  readonly enrolment: Enrolment;
  readonly siteId: string;
  readonly token: string;
}

/** Creates, lists and revokes enrolments. */
export class EnrolmentService {
  constructor(
    private readonly enrolments: Enrolments,
    private readonly issuer: EnrolmentTokenIssuer,
    private readonly identifiers: Identifiers,
    private readonly clock: Clock,
  ) {}

  /** @throws FleetError as `createEnrolment`. */
  async create(command: CreateEnrolmentCommand): Promise<IssuedEnrolment> {
    const siteId = await this.enrolments.siteId();
    const { token, tokenHash } = this.issuer.issue(siteId);
    const enrolmentId = this.identifiers.newId(this.clock.now());
    const enrolment = await this.enrolments.create(tokenHash, (now) => createEnrolment(command, enrolmentId, now));
    return { enrolment, siteId, token };
  }

  siteId(): Promise<string> {
    return this.enrolments.siteId();
  }

  /** In the order of creation, after this id. */
  async list(limit: number, after: string | null): Promise<KeyPage<Enrolment>> {
    const found = await this.enrolments.list(limit + 1, after);
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return { items, next: found.length > limit && last ? last.enrolmentId : null, asOf: this.clock.now() };
  }

  /** @throws FleetError `enrolment_not_found`. */
  async find(enrolmentId: string): Promise<Enrolment> {
    const found = await this.enrolments.find(enrolmentId);
    if (!found) throw new FleetError({ code: 'enrolment_not_found' });
    return found;
  }

  /** @throws FleetError `enrolment_not_found`. */
  revoke(enrolmentId: string, actor: Actor): Promise<Enrolment> {
    return this.enrolments.change(enrolmentId, (enrolment, now) => revokeEnrolment(enrolment, actor, now));
  }
}

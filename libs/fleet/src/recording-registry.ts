import { Registry, type Decision, type HeldRecord, type Neighbour, type RemovalRecorder } from './ports.js';
import type { FleetEvent } from './fleet-event.js';
import type { IdentityFacts } from './process-server.js';

/**
 * A registry that has each removal recorded outside of the database before its call is answered, and each registration of a
 * host that had been removed. A removal that is answered again is recorded again: the first call may have ended in between.
 */
export class RecordingRegistry extends Registry {
  constructor(
    private readonly registry: Registry,
    private readonly recorder: RemovalRecorder,
  ) {
    super();
  }

  override async change<A>(hostId: string, decide: (held: HeldRecord) => Decision<A>): Promise<A> {
    let record: () => Promise<void> = async () => undefined;
    const answer = await this.registry.change(hostId, (held) => {
      const decision = decide(held);
      record = () => this.record(held, decision.change?.write);
      return decision;
    });
    await record();
    return answer;
  }

  override find(hostId: string): Promise<HeldRecord> {
    return this.registry.find(hostId);
  }

  override neighbours(hostId: string, facts: IdentityFacts): Promise<Neighbour[]> {
    return this.registry.neighbours(hostId, facts);
  }

  override noteRefusal(refusal: Omit<FleetEvent, 'id' | 'at'>): Promise<void> {
    return this.registry.noteRefusal(refusal);
  }

  private async record(
    { tombstone }: HeldRecord,
    write: NonNullable<Decision<unknown>['change']>['write'] | undefined,
  ): Promise<void> {
    if (write && 'tombstone' in write) await this.recorder.recordRemovals([write.tombstone]);
    else if (!write && tombstone) await this.recorder.recordRemovals([tombstone]);
    else if (write?.to === 'registered' && tombstone) await this.recorder.recordRegistration(write.entry);
  }
}

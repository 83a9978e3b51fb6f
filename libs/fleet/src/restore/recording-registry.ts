import { Registry, type Decision, type LockedRecord, type PossibleDuplicate, type RemovalRecorder } from '../ports.js';
import type { FleetEvent } from '../events/fleet-event.js';
import type { IdentityFacts } from '../process-server.js';

/**
 * A registry that records each removal, and each registration of a removed host, outside of the database before the
 * call returns. A repeated removal is recorded again, because the first call may have ended before its record.
 */
export class RecordingRegistry extends Registry {
  constructor(
    private readonly registry: Registry,
    private readonly recorder: RemovalRecorder,
  ) {
    super();
  }

  override async change<A>(hostId: string, decide: (locked: LockedRecord) => Decision<A>): Promise<A> {
    let record: () => Promise<void> = async () => undefined;
    const result = await this.registry.change(hostId, (locked) => {
      const decision = decide(locked);
      record = () => this.record(locked, decision.change?.write);
      return decision;
    });
    await record();
    return result;
  }

  override find(hostId: string): Promise<LockedRecord> {
    return this.registry.find(hostId);
  }

  override findPossibleDuplicates(hostId: string, facts: IdentityFacts): Promise<PossibleDuplicate[]> {
    return this.registry.findPossibleDuplicates(hostId, facts);
  }

  override recordRejection(rejection: Omit<FleetEvent, 'id' | 'at'>): Promise<void> {
    return this.registry.recordRejection(rejection);
  }

  private async record(
    { tombstone }: LockedRecord,
    write: NonNullable<Decision<unknown>['change']>['write'] | undefined,
  ): Promise<void> {
    if (write && 'tombstone' in write) await this.recorder.recordRemovals([write.tombstone]);
    else if (!write && tombstone) await this.recorder.recordRemovals([tombstone]);
    else if (write?.to === 'registered' && tombstone) await this.recorder.recordRegistration(write.entry);
  }
}

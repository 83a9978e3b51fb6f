import type { Logger } from 'pino';
import { FleetError, type HeartbeatReceiver, type LocalAvailabilityClock } from '@app/fleet';
import type { SystemClock } from '@app/platform';

/** How a replica's clock is kept in line with the site's. */
export type SiteClock = Pick<SystemClock, 'reconcile' | 'agreed' | 'disagreed' | 'databaseDifferenceMs'>;

/** Records, twice a second, that this replica can commit heartbeats: while none can, the availability clock stands still. */
export class AvailabilityRecorder {
  private hasRecorded = false;

  constructor(
    private readonly receiver: HeartbeatReceiver,
    private readonly availabilityClock: LocalAvailabilityClock,
    private readonly siteClock: SiteClock | undefined,
    private readonly logger: Logger,
  ) {}

  /** @throws when no heartbeat can be committed. */
  async record(): Promise<void> {
    const { canCommit, witnesses } = this.receiver.takeProgress();
    if (!canCommit) {
      this.availabilityClock.fail();
      throw new FleetError({ code: this.receiver.isDraining ? 'shutting_down' : 'database_unavailable' });
    }
    const { outage, step } = await this.availabilityClock.tick(witnesses);
    this.receiver.markRecovered();
    if (step) this.siteClock?.disagreed();
    else this.siteClock?.agreed();
    if (outage && this.hasRecorded)
      this.logger.warn(outage, 'no heartbeat could be committed for a while; leases stood still');
    else if (outage) this.logger.info(outage, 'no replica was running for a while; leases stood still');
    this.hasRecorded = true;
    if (step) this.logger.warn(step, 'the wall clock of the database has stepped; leases go on unchanged');
  }
}

import type { Logger } from 'pino';
import { FleetError, type HeartbeatReceiver, type LocalAvailabilityClock } from '@app/fleet';
import type { SiteClock } from '../site/app-options.js';

/** Records twice a second that this replica can commit heartbeats: while no replica can, the availability clock stops. */
export class AvailabilityRecorder {
  private hasRecorded = false;

  constructor(
    private readonly receiver: HeartbeatReceiver,
    private readonly availabilityClock: LocalAvailabilityClock,
    private readonly siteClock: SiteClock | undefined,
    private readonly logger: Logger,
  ) {}

  /** @throws if no heartbeat can be committed. */
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
      this.logger.warn(outage, 'no heartbeat could be committed for some time; no lease expired meanwhile');
    else if (outage) this.logger.info(outage, 'no replica was running for some time; no lease expired meanwhile');
    this.hasRecorded = true;
    if (step) this.logger.warn(step, 'the wall clock of the database has stepped; leases are not affected');
  }
}

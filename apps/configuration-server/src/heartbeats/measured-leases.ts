import { Histogram } from 'prom-client';
import { Leases, type HeartbeatVerdict, type Moment, type QueuedHeartbeat } from '@app/fleet';

/** Measures every batch of heartbeats. */
export class MeasuredLeases extends Leases {
  readonly seconds = new Histogram({
    name: 'cs_heartbeat_commit_duration_seconds',
    help: 'Time to commit one batch of heartbeats, or until its failure',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers: [],
  });
  readonly sizes = new Histogram({
    name: 'cs_heartbeat_batch_size',
    help: 'Process servers in one batch of heartbeats',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    registers: [],
  });

  constructor(private readonly leases: Leases) {
    super();
  }

  async writeBatch(
    heartbeats: readonly QueuedHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]> {
    const observeSeconds = this.seconds.startTimer();
    this.sizes.observe(heartbeats.length);
    return this.leases.writeBatch(heartbeats, moment, withinMs).finally(observeSeconds);
  }
}

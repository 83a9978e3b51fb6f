const COUNTED_GAP_MS = 15_000;
const RUN_AHEAD_MS = 625;
const CLOCKS_DIFFER_MS = 2_000;
const JUST_STEPPED_MS = 900_000;

interface Row {
  readonly availableMs: number;
  /** On the wall clock. */
  readonly recordedAt: number;
  readonly steppedAtAvailableMs: number | null;
}

interface ReplicaCopy {
  row: Row;
  /** Monotonic time of the last record; null before the first. */
  recordedAtMs: number | null;
  failedBefore: boolean;
}

/** A sequential model of the availability clock: one row, and the local copy of each replica. */
export class AvailabilityModel {
  outages = 0;
  steps = 0;
  private row: Row;
  private readonly copies: ReplicaCopy[];

  constructor(
    private readonly wallMs: () => number,
    private readonly monotonicMs: () => number,
    replicas: number,
  ) {
    this.row = { availableMs: 0, recordedAt: wallMs(), steppedAtAvailableMs: null };
    this.copies = Array.from({ length: replicas }, () => ({
      row: this.row,
      recordedAtMs: monotonicMs(),
      failedBefore: false,
    }));
  }

  /** Availability clock by the row. */
  availableMs(): number {
    return this.at(this.row, this.wallMs());
  }

  /** Availability clock by a replica's copy, which its heartbeats use. */
  availableBy(replica: number): number {
    return this.at(this.copy(replica).row, this.wallMs());
  }

  isAccepting(replica: number): boolean {
    const { recordedAtMs } = this.copy(replica);
    return recordedAtMs !== null && this.monotonicMs() - recordedAtMs < COUNTED_GAP_MS;
  }

  fail(replica: number): void {
    this.copy(replica).failedBefore = true;
  }

  restart(replica: number): void {
    Object.assign(this.copy(replica), { recordedAtMs: null, failedBefore: true });
    this.record(replica);
  }

  record(replica: number): void {
    const copy = this.copy(replica);
    const { row } = this;
    const wallMs = this.wallMs();
    const gapMs = wallMs - row.recordedAt;
    const elapsedMs = copy.recordedAtMs === null ? null : this.monotonicMs() - copy.recordedAtMs;
    const steps = gapMs < -CLOCKS_DIFFER_MS || (elapsedMs !== null && gapMs - elapsedMs > CLOCKS_DIFFER_MS);
    if (steps) {
      const availableMs = row.availableMs + (gapMs < 0 ? 0 : Math.min(elapsedMs ?? 0, COUNTED_GAP_MS));
      this.row = { availableMs, recordedAt: wallMs, steppedAtAvailableMs: availableMs };
      this.steps += 1;
    } else if (gapMs > 0) {
      this.row = {
        ...row,
        availableMs: row.availableMs + Math.min(gapMs, copy.failedBefore ? RUN_AHEAD_MS : COUNTED_GAP_MS),
        recordedAt: wallMs,
      };
      if (gapMs > COUNTED_GAP_MS) this.outages += 1;
    }
    Object.assign(copy, { row: this.row, recordedAtMs: this.monotonicMs(), failedBefore: false });
  }

  /** Times that a replica's clean-up uses: wall time (null shortly after a step) and availability clock. */
  cleanUpMoment(replica: number): { readonly wallMs: number | null; readonly availableMs: number } {
    const { row, recordedAtMs } = this.copy(replica);
    const wallMs = Math.min(this.wallMs(), row.recordedAt + this.monotonicMs() - (recordedAtMs ?? 0));
    const hasJustStepped =
      row.steppedAtAvailableMs !== null && row.availableMs - row.steppedAtAvailableMs < JUST_STEPPED_MS;
    return { wallMs: hasJustStepped ? null : wallMs, availableMs: this.at(row, wallMs) };
  }

  private at({ availableMs, recordedAt }: Row, wallMs: number): number {
    return availableMs + Math.min(Math.max(0, wallMs - recordedAt), RUN_AHEAD_MS);
  }

  private copy(replica: number): ReplicaCopy {
    const copy = this.copies[replica];
    if (!copy) throw new Error(`there is no replica ${replica}`);
    return copy;
  }
}

/** A point in time on both clocks: the one at which a rule is evaluated. */
export interface Moment {
  readonly at: Date;
  /** The availability clock at `at`. */
  readonly availableMs: number;
}

/** The instant that something is judged at, on both clocks. */
export interface Moment {
  readonly at: Date;
  /** L at `at`. */
  readonly availableMs: number;
}

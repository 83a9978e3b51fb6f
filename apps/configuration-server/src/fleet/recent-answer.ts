/**
 * An answer that many may ask for: one question at a time, and its answer, a failure too, is good for a while. The age is judged by
 * a monotonic clock, since a wall clock may step.
 */
export class RecentAnswer<Answer> {
  private answer: Promise<Answer> | null = null;
  /** Null while the question is under way. */
  private answeredMs: number | null = null;

  constructor(
    private readonly ask: () => Promise<Answer>,
    private readonly goodForMs: number,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  get(): Promise<Answer> {
    const isGood = this.answeredMs === null || this.monotonicMs() - this.answeredMs < this.goodForMs;
    if (this.answer && isGood) return this.answer;
    this.answeredMs = null;
    const note = (): void => void (this.answeredMs = this.monotonicMs());
    this.answer = this.ask();
    this.answer.then(note, note);
    return this.answer;
  }
}

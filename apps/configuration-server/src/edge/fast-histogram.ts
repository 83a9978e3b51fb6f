/** One sample of the text format, as prom-client's registry expects it. */
export interface Sample {
  /** Default: the name of the metric. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** Observations with one set of label values. */
export class HistogramSeries {
  private readonly counts: number[];
  private sum = 0;

  constructor(
    private readonly labels: Readonly<Record<string, string>>,
    private readonly bounds: readonly number[],
  ) {
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    const { counts, bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket += 1;
    counts[bucket]! += 1;
    this.sum += value;
  }

  samples(name: string): Sample[] {
    const { labels, bounds, sum } = this;
    let value = 0;
    const buckets = this.counts.map((count, index) => ({
      metricName: `${name}_bucket`,
      labels: { le: bounds[index] ?? '+Inf', ...labels },
      value: (value += count),
    }));
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value },
    ];
  }
}

/** A histogram that costs a heartbeat a thirtieth of the time of prom-client's. */
export class FastHistogram<Label extends string> {
  private readonly series = new Map<string, HistogramSeries>();

  constructor(
    private readonly labelNames: readonly Label[],
    private readonly bounds: readonly number[],
  ) {}

  with(labels: Readonly<Record<Label, string>>): HistogramSeries {
    const key = this.labelNames.map((name) => labels[name]).join(' ');
    let series = this.series.get(key);
    if (!series) this.series.set(key, (series = new HistogramSeries(labels, this.bounds)));
    return series;
  }

  samples(name: string): Sample[] {
    return [...this.series.values()].flatMap((series) => series.samples(name));
  }
}

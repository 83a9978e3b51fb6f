/** A metric of the Prometheus text format, with its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly MetricSample[];
}

export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const HELP = /^# HELP (\S+) (.+)$/;
const TYPE = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/;
/** prom-client writes `Nan`, which Prometheus reads too. */
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[\d.e+-]+|NaN|Nan|[+-]Inf)$/;
const SUFFIX = { histogram: /_(bucket|sum|count)$/, summary: /_(sum|count)$/ } as Record<string, RegExp>;

/** @throws Error that names the first line that does not belong where it stands. */
export function parseMetrics(text: string): MetricFamily[] {
  const families: (MetricFamily & { readonly samples: MetricSample[] })[] = [];
  const lines = text.split('\n').filter((line) => line !== '');
  let help: RegExpExecArray | null = null;
  for (const line of lines) {
    const type = TYPE.exec(line);
    const sample = SAMPLE.exec(line);
    const family = families.at(-1);
    if (HELP.test(line)) help = HELP.exec(line);
    else if (type && help?.[1] === type[1])
      families.push({ name: type[1]!, help: help![2]!, type: type[2]!, samples: [] });
    else if (sample && family?.name === sample[1]!.replace(SUFFIX[family?.type ?? ''] ?? '', ''))
      family.samples.push({
        name: sample[1]!,
        labels: labelsOf(sample[2] ?? ''),
        value: Number(sample[3]!.replace('Inf', 'Infinity')),
      });
    else throw new Error(`not in its place: ${line}`);
  }
  return families;
}

const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries([...text.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)",?/g)].map(([, name, value]) => [name!, value!]));

/** Statistics of several windows, and their table. A window without a value counts as null. */

/** Linear interpolation between the two nearest values; null without values. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  return below + (at % 1) * (sorted[Math.ceil(at)] - below);
}

export function spread(values) {
  const counted = values.filter((value) => value !== null);
  const [least, lowerQuartile, median, upperQuartile, most] = [0, 0.25, 0.5, 0.75, 1].map((share) =>
    quantile(counted, share),
  );
  return { median, lowerQuartile, upperQuartile, least, most, windows: counted.length, values };
}

/** Pair by pair: the windows of a pair were measured in the same phase of the machine. */
export const ratios = (values, bases) =>
  spread(
    values.map((value, index) => (value === null || (bases[index] ?? null) === null ? null : value / bases[index])),
  );

const column = ({ windows }, key) => windows.map((window) => window?.[key] ?? null);

/** Ratio of two targets that were measured in alternation. */
export const ratioOf = (target, base, key = 'perSecond') => ratios(column(target, key), column(base, key));

/** The report row of a target. `slow` has the reason of each rejected window. */
export const row = (target, note = '') => ({
  what: target.name,
  ...Object.fromEntries(['perSecond', 'p50Ms', 'p99Ms', 'p999Ms'].map((key) => [key, spread(column(target, key))])),
  generatorBusy: Math.max(...column(target, 'generatorBusy')),
  slow: target.slow ?? [],
  note,
});

const shown = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);

/** The median and, with more than one value, the quartiles. */
export function formatSpread({ median, lowerQuartile, upperQuartile, windows }) {
  if (windows === 0) return 'no figure';
  return windows === 1 ? shown(median) : `${shown(median)} (${shown(lowerQuartile)}-${shown(upperQuartile)})`;
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => String(cell ?? '').padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

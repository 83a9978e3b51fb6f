/** Figures of several runs, and their table. */
export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length % 2 === 1
    ? sorted[(sorted.length - 1) / 2]
    : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
};

/** Median with the least and the most of them. */
export const spread = (values) => ({ median: median(values), least: Math.min(...values), most: Math.max(...values) });

/** Pair by pair: what was measured one after the other is compared, so that the machine's moods cancel out. */
export const ratios = (values, bases) => spread(values.map((value, index) => value / bases[index]));

const shown = (value) =>
  value >= 1000
    ? value.toFixed(0)
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);
export const formatSpread = ({ median: middle, least, most }) => `${shown(middle)} (${shown(least)}-${shown(most)})`;

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

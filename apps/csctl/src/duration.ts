const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };

/** Seconds of a duration as `90s`, `5m`, `7d` or `1h30m`; null if the text is none. */
export function parseDuration(text: string): number | null {
  if (!/^(\d{1,9}[smhdw])+$/.test(text)) return null;
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+)([smhdw])/g))
    seconds += Number(number) * (UNIT_SECONDS[unit ?? ''] ?? 0);
  return seconds;
}

/** A duration for people, with its two largest units. */
export function formatDuration(seconds: number): string {
  const total = Math.max(0, Math.floor(seconds));
  const units: [number, string][] = [
    [Math.floor(total / 86_400), 'd'],
    [Math.floor(total / 3_600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'm'],
    [total % 60, 's'],
  ];
  const first = units.findIndex(([number]) => number > 0);
  if (first === -1) return '0s';
  return units
    .slice(first, first + 2)
    .filter(([number]) => number > 0)
    .map(([number, unit]) => `${number}${unit}`)
    .join('');
}

/** Age of a timestamp at a time, both RFC 3339, as `3m20s`. */
export const formatAge = (at: string, asOf: string): string =>
  formatDuration((Date.parse(asOf) - Date.parse(at)) / 1000);

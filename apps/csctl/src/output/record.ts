import { formatAge } from '../duration.js';
import { padText, printable, textWidth } from './text-width.js';

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/;

/**
 * A JSON document as lines of label and value: every member is there, so that the text has what the JSON has.
 * `asOf` is the time from which the ages of timestamps are shown.
 */
export function recordLines(document: object, asOf: string | null, indent = ''): string[] {
  const entries = Object.entries(document).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...entries.filter(([, value]) => !isNested(value)).map(([name]) => textWidth(label(name))));
  return entries.flatMap(([name, value]) => {
    if (!isNested(value)) return [`${indent}${padText(`${label(name)}:`, width + 2)}${textOf(value, asOf)}`];
    return [`${indent}${label(name)}:`, ...nestedLines(value, asOf, `${indent}  `)];
  });
}

function nestedLines(value: object, asOf: string | null, indent: string): string[] {
  if (!Array.isArray(value)) return recordLines(value, asOf, indent);
  return value.flatMap((item: unknown) => {
    if (!isNested(item)) return [`${indent}- ${textOf(item, asOf)}`];
    const [first = '', ...rest] = nestedLines(item, asOf, `${indent}  `);
    return [`${indent}- ${first.slice(indent.length + 2)}`, ...rest];
  });
}

const isNested = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.keys(value).length > 0;

function textOf(value: unknown, asOf: string | null): string {
  if (value === null) return '-';
  if (Array.isArray(value)) return 'none';
  if (typeof value === 'object') return 'none';
  const text = printable(String(value));
  return typeof value === 'string' && asOf !== null && TIMESTAMP.test(value) ? `${text} (${age(value, asOf)})` : text;
}

const age = (at: string, asOf: string): string =>
  Date.parse(at) > Date.parse(asOf) ? `in ${formatAge(asOf, at)}` : `${formatAge(at, asOf)} ago`;

/** `leaseExpiresAt` as `Lease expires at`; a member that is a value of the API, as `NotSupported`, stays. */
function label(name: string): string {
  if (!/^[a-z]/.test(name)) return printable(name);
  const words = printable(name)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/\b(ip|os|id|cpu|api|utc|fqdn)\b/g, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
}

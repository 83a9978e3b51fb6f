/** Positions of the first and the last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

const RANGE_OF_BYTES = /^bytes=(.*)$/i;
const RANGE_OF_ANOTHER_UNIT = /^[\w!#$%&'*+.^`|~-]+=/;
const FIRST_AND_LAST = /^(\d+)-(\d*)$/;
const LAST_BYTES = /^-(\d+)$/;

/**
 * The part of a representation of `size` bytes that the header `Range` requests (RFC 9110, 14.2). Null for the whole one: without the
 * header, for another unit, and for several ranges. `unsatisfiable` for a malformed range, or one without a byte of the representation.
 */
export function requestedRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  if (header === undefined) return null;
  const [, set] = RANGE_OF_BYTES.exec(header.trim()) ?? [];
  if (set === undefined) return RANGE_OF_ANOTHER_UNIT.test(header.trim()) ? null : 'unsatisfiable';
  const ranges = set.split(',').map((text) => parseRange(text.trim(), size));
  const [first] = ranges;
  if (!first || ranges.includes(null)) return 'unsatisfiable';
  if (ranges.length > 1) return null;
  return first.first > first.last ? 'unsatisfiable' : first;
}

/** One range, cut off at the end; empty if the representation has none of its bytes. Null if it is malformed. */
function parseRange(text: string, size: number): ByteRange | null {
  const [, suffix] = LAST_BYTES.exec(text) ?? [];
  if (suffix !== undefined) return { first: Math.max(0, size - Number(suffix)), last: size - 1 };
  const [, first, last] = FIRST_AND_LAST.exec(text) ?? [];
  if (first === undefined || (last && Number(last) < Number(first))) return null;
  return { first: Number(first), last: Math.min(last ? Number(last) : Infinity, size - 1) };
}

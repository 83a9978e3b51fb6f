const ASCII = /^[ -~]*$/;
/** The upper case of dotless i is I, but Unicode folds it to itself, not to i. */
const DOTLESS_I = 'ı';

const isOne = (text: string): boolean => [...text].length === 1;
const keepSingle = (folded: string, otherwise: string): string => (isOne(folded) ? folded : otherwise);

/** Simple case folding maps one code point to one, so that the key of a prefix is a prefix of the key. */
function folded(codePoint: string): string {
  if (codePoint === DOTLESS_I) return codePoint;
  const lower = keepSingle(codePoint.toLowerCase(), codePoint);
  const upper = keepSingle(lower.toUpperCase(), lower);
  return keepSingle(upper.toLowerCase(), lower);
}

/** A name as it is stored: in Unicode normalization form NFC. */
export const normalizedName = (name: string): string => name.normalize('NFC');

/**
 * The key by which names are compared and sorted: NFC with the case folded. Accents and scripts differ. Never longer
 * than the name in NFC.
 */
export function nameKey(name: string): string {
  if (ASCII.test(name)) return name.toLowerCase();
  return [...normalizedName(name)].map(folded).join('').normalize('NFC');
}

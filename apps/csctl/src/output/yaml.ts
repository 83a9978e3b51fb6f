/** Texts that no reader takes for another type, or for syntax. */
const PLAIN = /^[A-Za-z/][A-Za-z0-9_./@+-]*( [A-Za-z0-9_./@+-]+)*$/;
const RESERVED = /^(true|false|yes|no|on|off|null|y|n)$/i;
const UNPRINTABLE = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** A JSON value as YAML 1.2, which is also valid as 1.1. Ends with a line break. */
export function toYaml(value: unknown): string {
  return isCollection(value) ? lines(value).join('\n') + '\n' : `${scalar(value)}\n`;
}

/** Items of a list as lines of YAML, to print a list in pieces. */
export const toYamlItems = (items: readonly unknown[]): string => (items.length === 0 ? '' : toYaml(items));

function lines(value: object): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => nested('-', item, true));
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .flatMap(([name, member]) => nested(`${scalar(name)}:`, member, false));
}

function nested(prefix: string, value: unknown, isItem: boolean): string[] {
  if (!isCollection(value)) return [`${prefix} ${scalar(value)}`];
  const inner = lines(value);
  if (!isItem) return [prefix, ...inner.map((line) => `  ${line}`)];
  return inner.map((line, index) => (index === 0 ? `- ${line}` : `  ${line}`));
}

/** An empty collection has no lines, so it is written as a scalar. */
const isCollection = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.keys(value).length > 0;

function scalar(value: unknown): string {
  if (typeof value === 'string' && PLAIN.test(value) && !RESERVED.test(value)) return value;
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

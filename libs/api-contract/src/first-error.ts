/**
 * The message of the decorator that is declared first: a text instead of a number is reported as not a number, not as too large.
 * class-validator runs decorators from the last to the first.
 */
export function firstError(constraints: Readonly<Record<string, string>>): string | undefined {
  const messages = Object.entries(constraints).filter(([check]) => check !== 'nestedValidation');
  return messages.at(-1)?.[1];
}

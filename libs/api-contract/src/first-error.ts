/**
 * The message of the decorator that is declared first: a text where a number belongs is reported as no number, not as one that is
 * too large. class-validator runs decorators from the last to the first.
 */
export function firstError(constraints: Readonly<Record<string, string>>): string | undefined {
  const messages = Object.entries(constraints).filter(([check]) => check !== 'nestedValidation');
  return messages.at(-1)?.[1];
}

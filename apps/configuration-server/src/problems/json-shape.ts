import { RequestProblem, truncateName } from './request-problem.js';

/** A body, the values of its fields, an item of a list in it, and the fields of that item: the deepest body of the contract. */
const MAX_JSON_DEPTH = 4;

/** Names that every object has, and `then`: class-transformer skips them, so the check for unknown fields never sees them. */
export const isReservedPropertyName = (name: string): boolean => name in Object.prototype || name === 'then';

/**
 * Rejects JSON that no call of the contract uses and that class-transformer does not handle safely: deep nesting (it recurses), lists of
 * lists (their items would not be validated), and names that every object has.
 * @throws RequestProblem `validation_failed`.
 */
export function assertJsonShape(value: unknown, path = 'body', depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth >= MAX_JSON_DEPTH) throw RequestProblem.field(path, `${path} is nested too deep`);
  for (const [name, member] of Object.entries(value)) {
    const memberPath = depth === 0 ? truncateName(name) : `${path}.${truncateName(name)}`;
    if (isReservedPropertyName(name)) throw RequestProblem.unknownField(name, memberPath);
    if (Array.isArray(value) && Array.isArray(member))
      throw RequestProblem.field(memberPath, `${memberPath} must not be a list`);
    assertJsonShape(member, memberPath, depth + 1);
  }
}

import { RequestProblem, truncateName } from './request-problem.js';

/** A body, what its fields hold, an item of a list there, and a field of that: nothing in the contract lies deeper. */
const MAX_JSON_DEPTH = 4;

/** Names that every object has already, and `then`: class-transformer passes them over, so the check for unknown fields never sees them. */
export const isReservedPropertyName = (name: string): boolean => name in Object.prototype || name === 'then';

/**
 * Refuses JSON that no call of the contract could mean and that class-transformer cannot be trusted with: deep nesting
 * (it recurses), lists of lists (their items would go unchecked), and names that objects have by themselves.
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

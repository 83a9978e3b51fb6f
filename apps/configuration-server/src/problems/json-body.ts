import secureJson from 'secure-json-parse';
import { refuseStrangeShape } from './plain-shape.js';
import { RequestProblem } from './request-problem.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws SyntaxError also for `__proto__` and whatever else would reach an object's prototype. */
export const secureJsonOf = (text: string): unknown => secureJson.parse(text, { protoAction: 'error', constructorAction: 'error' });

/**
 * Strict UTF-8, nothing that would reach an object's prototype, and no shape that the contract has no use for.
 * @throws RequestProblem `malformed_json`, `validation_failed`.
 */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  let value: unknown;
  try {
    value = secureJsonOf(utf8.decode(body));
  } catch {
    throw new RequestProblem('malformed_json', 'The body is not JSON in UTF-8, or it names a property that is not allowed.');
  }
  refuseStrangeShape(value);
  return value;
}

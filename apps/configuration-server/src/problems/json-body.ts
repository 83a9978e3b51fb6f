import type { FastifyInstance, FastifyRequest } from 'fastify';
import secureJson from 'secure-json-parse';
import { assertJsonShape } from './json-shape.js';
import { RequestProblem } from './request-problem.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws SyntaxError, also for `__proto__` and other names that reach an object's prototype. */
const parseSecureJson = (text: string): unknown =>
  secureJson.parse(text, { protoAction: 'error', constructorAction: 'error' });

/**
 * Parses strict UTF-8 without names that reach an object's prototype, in the shapes of the contract.
 * @throws RequestProblem `malformed_json`, `validation_failed`.
 */
function parseJson(body: Buffer): unknown {
  const value = parseBody(body, parseSecureJson, 'The body is not JSON in UTF-8, or has a forbidden property name.');
  assertJsonShape(value);
  return value;
}

/**
 * Parses strict UTF-8 of any shape with any names, for a reader that copies known members only.
 * @throws RequestProblem `malformed_json`.
 */
const parseAnyJson = (body: Buffer): unknown => parseBody(body, JSON.parse, 'The body is not JSON in UTF-8.');

function parseBody(body: Buffer, parse: (text: string) => unknown, detail: string): unknown {
  if (body.length === 0) return undefined;
  try {
    return parse(utf8.decode(body));
  } catch {
    throw new RequestProblem('malformed_json', detail);
  }
}

/** Configuration of a route whose handler reads JSON of any shape. */
export const ACCEPTS_ANY_JSON = { acceptsAnyJson: true };

const acceptsAnyJson = ({ routeOptions }: FastifyRequest): boolean =>
  (routeOptions.config as Partial<typeof ACCEPTS_ANY_JSON>).acceptsAnyJson === true;

/** Accepts JSON bodies only. */
export function registerJsonParser(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, (acceptsAnyJson(request) ? parseAnyJson : parseJson)(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}

import type { FastifyInstance, FastifyRequest } from 'fastify';
import secureJson from 'secure-json-parse';
import { assertJsonShape } from './json-shape.js';
import { RequestProblem } from './request-problem.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws SyntaxError also for `__proto__` and whatever else would reach an object's prototype. */
export const parseSecureJson = (text: string): unknown =>
  secureJson.parse(text, { protoAction: 'error', constructorAction: 'error' });

/**
 * Strict UTF-8, nothing that would reach an object's prototype, and no shape that the contract has no use for.
 * @throws RequestProblem `malformed_json`, `validation_failed`.
 */
function parseJson(body: Buffer): unknown {
  const value = parseBody(
    body,
    parseSecureJson,
    'The body is not JSON in UTF-8, or it names a property that is not allowed.',
  );
  assertJsonShape(value);
  return value;
}

/**
 * Strict UTF-8, of any shape and with members of any name: for a reader that copies the members it knows.
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

/** Bodies are JSON, and nothing else. */
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

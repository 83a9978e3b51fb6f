import { canonicalHostId } from '@app/api-contract';
import { RequestProblem } from '../problems/request-problem.js';

/** A cursor names its query. It is opaque and not signed: a client that edits it only selects another page of the same query. */
export function encodeCursor(query: object, state: object): string {
  return Buffer.from(JSON.stringify([query, state])).toString('base64url');
}

/** @throws RequestProblem `invalid_cursor` if it is malformed or belongs to another query. */
export function decodeCursor<State>(
  query: object,
  cursor: string | undefined,
  isState: (value: Members<State>) => boolean,
): State | null {
  if (cursor === undefined) return null;
  const [madeFor, state] = parsed(cursor);
  if (JSON.stringify(madeFor) !== JSON.stringify(query) || !isObject(state) || !isState(state as Members<State>))
    throw new RequestProblem('invalid_cursor');
  return state as State;
}

/** Decoded members: any may be missing or have another type. */
export type Members<State> = { readonly [Name in keyof State]?: unknown };

export const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
export const isUuid = (value: unknown): boolean => typeof value === 'string' && canonicalHostId(value) === value;
/** The years that a database can store. */
export const isTimestampMs = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= LAST_TIMESTAMP_MS;
const LAST_TIMESTAMP_MS = Date.parse('9999-12-31T23:59:59.999Z');

function parsed(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) && value.length === 2 ? value : [];
  } catch {
    return [];
  }
}

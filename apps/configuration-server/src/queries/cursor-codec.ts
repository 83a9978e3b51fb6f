import { type SignedToken } from '@app/platform';
import { RequestProblem } from '../problems/request-problem.js';

/** Where a walk through a list stands, bound to the query that it belongs to; opaque and signed. */
export class CursorCodec {
  constructor(private readonly signedToken: SignedToken) {}

  encode(query: object, state: object): string {
    return this.signedToken.sign([query, state]);
  }

  /** @throws RequestProblem `invalid_cursor` when it was changed, or made for another query. */
  decode<State>(query: object, cursor: string | undefined): State | null {
    if (cursor === undefined) return null;
    const decoded = this.signedToken.verify(cursor);
    if (!Array.isArray(decoded) || JSON.stringify(decoded[0]) !== JSON.stringify(query))
      throw new RequestProblem('invalid_cursor');
    return decoded[1] as State;
  }
}

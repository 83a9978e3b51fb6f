import { type SignedText } from '@app/platform';
import { RequestProblem } from '../problems/request-problem.js';

/** Where a walk through a list stands, bound to the query that it belongs to; opaque and signed. */
export class Cursors {
  constructor(private readonly signed: SignedText) {}

  seal(query: object, state: object): string {
    return this.signed.seal([query, state]);
  }

  /** @throws RequestProblem `invalid_cursor` when it was changed, or made for another query. */
  open<State>(query: object, cursor: string | undefined): State | null {
    if (cursor === undefined) return null;
    const opened = this.signed.open(cursor);
    if (!Array.isArray(opened) || JSON.stringify(opened[0]) !== JSON.stringify(query))
      throw new RequestProblem('invalid_cursor');
    return opened[1] as State;
  }
}

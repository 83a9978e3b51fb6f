import { PROBLEMS, type FieldError, type ProblemCode } from '@app/wire';

/** A refusal that has nothing to do with the fleet: the request itself is wrong. */
export class RequestProblem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string = PROBLEMS[code].title,
    readonly errors?: readonly FieldError[],
  ) {
    super(detail);
  }

  static field(field: string, message: string): RequestProblem {
    return new RequestProblem('validation_failed', message, [{ field, message }]);
  }
}

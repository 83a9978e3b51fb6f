import { PROBLEMS, type FieldError, type ProblemCode } from '@app/wire';

/** What a caller made up comes back no longer than this, and no oftener: an answer is never a multiple of its request. */
const LONGEST_NAME = 64;
const MOST_ERRORS = 20;

/** A name that the caller made up, as an answer shows it. */
export const shownName = (name: string): string =>
  name.length <= LONGEST_NAME ? name : `${name.slice(0, LONGEST_NAME).toWellFormed()}…`;

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
    return RequestProblem.fields([{ field, message }]);
  }

  /** At least one. */
  static fields(errors: readonly FieldError[]): RequestProblem {
    const detail =
      errors.length > MOST_ERRORS
        ? `${errors.length} things are wrong with the fields; here are the first ${MOST_ERRORS}.`
        : errors[0]?.message;
    return new RequestProblem('validation_failed', detail, errors.slice(0, MOST_ERRORS));
  }

  /** A field or query parameter that the call does not know. */
  static unknownField(name: string, path = shownName(name)): RequestProblem {
    return RequestProblem.field(path, `property ${shownName(name)} should not exist`);
  }
}

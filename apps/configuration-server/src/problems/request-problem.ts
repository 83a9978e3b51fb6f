import { PROBLEMS, type FieldError, type ProblemCode } from '@app/api-contract';

/** Limits of caller-chosen names in a response, so that a response is never a multiple of its request. */
const MAX_NAME_LENGTH = 64;
const MAX_FIELD_ERRORS = 20;

/** A caller-chosen name, truncated for a response. */
export const truncateName = (name: string): string =>
  name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH).toWellFormed()}…`;

/** An error of the request itself, independent of the fleet. */
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
      errors.length > MAX_FIELD_ERRORS
        ? `${errors.length} things are wrong with the fields; here are the first ${MAX_FIELD_ERRORS}.`
        : errors[0]?.message;
    return new RequestProblem('validation_failed', detail, errors.slice(0, MAX_FIELD_ERRORS));
  }

  /** An unknown field or query parameter. */
  static unknownField(name: string, path = truncateName(name)): RequestProblem {
    return RequestProblem.field(path, `property ${truncateName(name)} should not exist`);
  }
}

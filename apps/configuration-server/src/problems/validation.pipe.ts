import { ValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { compileValidator, firstError, RegisterRequest, type FieldError } from '@app/api-contract';
import { RequestProblem, truncateName } from './request-problem.js';

/** class-validator's name of the error for an unknown property. */
const UNKNOWN_PROPERTY = 'whitelistValidation';

/** One error for each field, in the order of the fields. */
function fieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap(({ property, value, constraints = {}, children = [] }) => {
    const name = truncateName(property);
    const field = parent ? `${parent}.${name}` : name;
    if (value === undefined && children.length === 0) return [{ field, message: `${field} is missing` }];
    const message = UNKNOWN_PROPERTY in constraints ? `property ${name} should not exist` : firstError(constraints);
    return [...(message === undefined ? [] : [{ field, message }]), ...fieldErrors(children, field)];
  });
}

/** class-validator takes 7 % of a registration, so it sees only the bodies that the compiled check does not accept. */
const isRegistration = compileValidator(RegisterRequest);

const NOT_AN_OBJECT: FieldError = { field: 'body', message: 'the body must be a JSON object' };

/** Validates bodies and queries against their DTO classes: no unknown fields, no type conversion. */
export class DtoPipe extends ValidationPipe {
  constructor() {
    super({
      whitelist: true,
      forbidNonWhitelisted: true,
      forbidUnknownValues: true,
      transform: true,
      exceptionFactory: (errors) => RequestProblem.fields(fieldErrors(errors)),
    });
  }

  /** A missing body or `null` is not an empty object. */
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.metatype === RegisterRequest && isRegistration(value)) return value;
    if (metadata.type === 'body' && (typeof value !== 'object' || value === null || Array.isArray(value)))
      throw RequestProblem.fields([NOT_AN_OBJECT]);
    return super.transform(value, metadata);
  }
}

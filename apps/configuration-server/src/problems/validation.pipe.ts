import { ValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { firstFault, type FieldError, type WireClass } from '@app/wire';
import { bodyCheckOf } from './body-checks.js';
import { RequestProblem, shownName } from './request-problem.js';

/** What class-validator calls a property that its class does not have. */
const UNKNOWN = 'whitelistValidation';

/** One error for each field, in the order of the fields. */
function fieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap(({ property, value, constraints = {}, children = [] }) => {
    const name = shownName(property);
    const field = parent ? `${parent}.${name}` : name;
    if (value === undefined && children.length === 0) return [{ field, message: `${field} is missing` }];
    const message = UNKNOWN in constraints ? `property ${name} should not exist` : firstFault(constraints);
    return [...(message === undefined ? [] : [{ field, message }]), ...fieldErrors(children, field)];
  });
}

/** A body that its class's compiled check lets pass is taken as it is, a plain object; the walk along the decorators names what is wrong with the rest. */
class CheckingPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' && bodyCheckOf(metadata.metatype as WireClass)(value)) return value;
    return super.transform(value, metadata);
  }
}

/** Checks bodies and queries against their wire classes: no unknown fields, no conversion of types. */
export const validationPipe = (): ValidationPipe =>
  new CheckingPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    exceptionFactory: (errors) => {
      const fields = fieldErrors(errors);
      return RequestProblem.fields(
        fields.length > 0 ? fields : [{ field: 'body', message: 'the body must be a JSON object' }],
      );
    },
  });

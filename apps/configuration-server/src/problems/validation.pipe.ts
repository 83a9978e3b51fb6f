import { ValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { firstError, type FieldError, type DtoClass } from '@app/api-contract';
import { getBodyValidator } from './body-validators.js';
import { RequestProblem, truncateName } from './request-problem.js';

/** What class-validator calls a property that its class does not have. */
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

/** A body that its class's compiled check lets pass is taken as it is, a plain object; the walk along the decorators names what is wrong with the rest. */
class CompiledValidationPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' && getBodyValidator(metadata.metatype as DtoClass)(value)) return value;
    return super.transform(value, metadata);
  }
}

/** Checks bodies and queries against their wire classes: no unknown fields, no conversion of types. */
export const validationPipe = (): ValidationPipe =>
  new CompiledValidationPipe({
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

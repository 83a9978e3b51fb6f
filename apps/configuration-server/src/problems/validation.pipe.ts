import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import type { FieldError } from '@app/wire';
import { RequestProblem } from './request-problem.js';

function fieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap(({ property, constraints = {}, children = [] }) => {
    const field = parent ? `${parent}.${property}` : property;
    return [...Object.values(constraints).map((message) => ({ field, message })), ...fieldErrors(children, field)];
  });
}

/** Checks bodies and queries against their wire classes: no unknown fields, no conversion of types. */
export const validationPipe = (): ValidationPipe =>
  new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    exceptionFactory: (errors) => {
      const fields = fieldErrors(errors);
      const [first = { field: 'body', message: 'the body must be a JSON object' }] = fields;
      return new RequestProblem('validation_failed', first.message, fields.length > 0 ? fields : [first]);
    },
  });

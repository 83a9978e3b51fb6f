import type { Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { compileValidator, type Validator, type DtoClass } from '@app/api-contract';

const validators = new Map<DtoClass, Validator>();

/** Compiled once for each class. @throws Error as `compileValidator`. */
export function getBodyValidator(dtoClass: DtoClass): Validator {
  const known = validators.get(dtoClass) ?? compileValidator(dtoClass);
  validators.set(dtoClass, known);
  return known;
}

/** @throws Error for a body that no check can be compiled for: such a server does not start. */
export function assertBodyValidatorsCompile(controllers: readonly Type[]): void {
  for (const controller of controllers) {
    const prototype = controller.prototype as object;
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const parameters = Object.keys((Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as object);
      const types = (Reflect.getMetadata('design:paramtypes', prototype, name) ?? []) as DtoClass[];
      const body = parameters.find((parameter) => parameter.startsWith(`${RouteParamtypes.BODY}:`))?.split(':')[1];
      if (body !== undefined) getBodyValidator(types[Number(body)] as DtoClass);
    }
  }
}

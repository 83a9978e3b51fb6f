import type { Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { compiledCheck, type Check, type WireClass } from '@app/wire';

const checks = new Map<WireClass, Check>();

/** Compiled once for each class. @throws Error as `compiledCheck`. */
export function bodyCheckOf(wireClass: WireClass): Check {
  const known = checks.get(wireClass) ?? compiledCheck(wireClass);
  checks.set(wireClass, known);
  return known;
}

/** @throws Error for a body that no check can be compiled for: such a server does not start. */
export function everyBodyHasItsCheck(controllers: readonly Type[]): void {
  for (const controller of controllers) {
    const prototype = controller.prototype as object;
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const places = Object.keys((Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, name) ?? {}) as object);
      const types = (Reflect.getMetadata('design:paramtypes', prototype, name) ?? []) as WireClass[];
      const body = places.find((place) => place.startsWith(`${RouteParamtypes.BODY}:`))?.split(':')[1];
      if (body !== undefined) bodyCheckOf(types[Number(body)] as WireClass);
    }
  }
}

import { RequestMethod, type Type } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { permissionOf } from './endpoint.decorator.js';
import type { Permission } from './principal.js';

export interface RoutePermission {
  readonly method: string;
  readonly path: string;
  readonly permission: Permission | undefined;
}

const metadata = <Value>(key: string, target: object): Value | undefined =>
  Reflect.getMetadata(key, target) as Value | undefined;

/** Every route of these controllers with its declared permission. */
export function routePermissions(controllers: readonly Type[]): RoutePermission[] {
  return controllers.flatMap((controller) => {
    const prototype = controller.prototype as Record<string, object>;
    return Object.getOwnPropertyNames(prototype)
      .map((name) => prototype[name])
      .filter(
        (handler): handler is object =>
          typeof handler === 'function' && metadata(METHOD_METADATA, handler) !== undefined,
      )
      .map((handler) => ({
        method: RequestMethod[metadata<RequestMethod>(METHOD_METADATA, handler) ?? RequestMethod.ALL],
        path: [metadata<string>(PATH_METADATA, controller), metadata<string>(PATH_METADATA, handler)]
          .join('/')
          .replace(/\/+/g, '/')
          .replace(/\/$/, ''),
        permission: permissionOf(handler),
      }));
  });
}

/** @throws Error that names the routes without a permission, so that the server does not start. */
export function assertEveryRouteHasPermission(controllers: readonly Type[]): void {
  const withoutPermission = routePermissions(controllers).filter(({ permission }) => !permission);
  if (withoutPermission.length > 0)
    throw new Error(
      `Routes without a permission: ${withoutPermission.map(({ method, path }) => `${method} ${path}`).join(', ')}`,
    );
}

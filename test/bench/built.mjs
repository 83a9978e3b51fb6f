import { fileURLToPath } from 'node:url';

/** Imports a module of the build, so that the benchmark measures what runs in production. */
export const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url));
export const SERVER_PROGRAM = fileURLToPath(
  new URL('../../dist/apps/configuration-server/src/main.js', import.meta.url),
);

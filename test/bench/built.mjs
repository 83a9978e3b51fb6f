import { fileURLToPath } from 'node:url';

/** A module of the built server: what is measured is what runs. */
export const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url));
export const SERVER_PROGRAM = fileURLToPath(
  new URL('../../dist/apps/configuration-server/src/main.js', import.meta.url),
);

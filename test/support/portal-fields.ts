import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';

export interface PortalFieldRow {
  readonly portalField: string;
  /** In the detail of a process server; null if the field is not ours. */
  readonly path: string | null;
  readonly explanation: string;
}

/** The table of `docs/portal-fields.md`. */
export const portalFieldRows = (): PortalFieldRow[] =>
  [
    ...readFileSync(join(projectRoot(), 'docs/portal-fields.md'), 'utf8').matchAll(
      /^\| `([\w.]+)` *\| (?:`([\w.[\]]+)`|none) *\| (\S.*?) *\|$/gm,
    ),
  ].map(([, portalField = '', path = null, explanation = '']) => ({ portalField, path, explanation }));

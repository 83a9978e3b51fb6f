import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { EVENT_KINDS } from '@app/fleet';
import { projectRoot } from '../../apps/configuration-server/src/openapi/openapi-file.js';

it('the events page has a row for each kind of event, in the same order', () => {
  const page = readFileSync(join(projectRoot(), 'docs/events.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z_]+)`/gm)].map(([, kind]) => kind);
  expect(rows).toEqual(EVENT_KINDS.filter((kind) => !kind.startsWith('refused_')));
});

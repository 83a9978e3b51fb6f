import { readFileSync } from 'node:fs';

/** The version in the package.json of the workspace, from the sources as well as from the build. */
export function programVersion(): string {
  for (const levels of ['../../../', '../../../../']) {
    try {
      const text = readFileSync(new URL(`${levels}package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

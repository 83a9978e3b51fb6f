import type { VersionRuleSource } from '../ports.js';
import type { Release } from './release.js';
import type { Version } from './version.js';
import { VersionRules } from './version-rules.js';

/** The rules by a catalogue that does not change. */
export const fixedVersionRules = (
  configurationServer: Version,
  releases: readonly Release[] = [],
): VersionRuleSource => {
  const known = new VersionRules(configurationServer, releases);
  return { known, current: async () => known };
};

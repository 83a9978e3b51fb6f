import type { CommandDefinition } from './command.js';
import { ADMINISTRATION } from './definitions/administration.js';
import { CHANGES } from './definitions/changes.js';
import { CONTEXTS } from './definitions/contexts.js';
import { QUERIES } from './definitions/queries.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDefinition[] = [...QUERIES, ...CHANGES, ...ADMINISTRATION, ...CONTEXTS];

import type { CommandDefinition } from './command.js';
import { CONTEXTS } from './definitions/contexts.js';
import { QUERIES } from './definitions/queries.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandDefinition[] = [...QUERIES, ...CONTEXTS];

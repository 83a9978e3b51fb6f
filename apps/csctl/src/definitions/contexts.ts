import type { CommandDefinition } from '../command.js';

/** Commands for the configuration servers that this person uses. */
export const CONTEXTS: readonly CommandDefinition[] = [
  {
    name: 'login',
    summary: 'Stores a configuration server and an API key as a context, and chooses it.',
    description: [
      'The key is checked first. Contexts are in one file that only its owner can read: $CSCTL_CONFIG, or csctl/contexts.json in the folder for settings. The key file can be deleted afterwards.',
    ],
    options: {
      server: { value: 'URL', meaning: 'address of the configuration server. Default: http://127.0.0.1:8080' },
      'key-file': { value: 'FILE', meaning: 'file with the API key, readable by its owner only', required: true },
      'ca-file': { value: 'FILE', meaning: 'PEM certificates of the authority of the server' },
      name: { value: 'NAME', meaning: 'name of the context. Default: host and port of the server' },
    },
    examples: ['csctl login --key-file .data/admin.key'],
    load: () => import('../commands/login.js'),
  },
  {
    name: 'context list',
    summary: 'Lists the contexts.',
    load: () => import('../commands/context-list.js'),
  },
  {
    name: 'context use',
    summary: 'Chooses a context for the next commands.',
    arguments: [{ name: 'NAME', meaning: 'name of a context' }],
    load: () => import('../commands/context-use.js'),
  },
  {
    name: 'context show',
    summary: 'Shows the context in use; never its key.',
    load: () => import('../commands/context-show.js'),
  },
];

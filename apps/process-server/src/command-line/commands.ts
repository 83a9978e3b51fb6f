import {
  CHECK_OPTIONS,
  COMMON_OPTIONS,
  INSTALL_OPTIONS,
  REREGISTER_OPTIONS,
  RESET_OPTIONS,
  SET_PROXY_OPTIONS,
  UNREGISTER_OPTIONS,
  type OptionDefinition,
} from './options.js';

export const COMMAND_NAMES = [
  'install',
  'run',
  'reregister',
  'set-proxy',
  'unregister',
  'status',
  'check',
  'reset',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

interface CommandDefinition {
  readonly meaning: string;
  readonly options: readonly OptionDefinition[];
}

export const COMMANDS: Readonly<Record<CommandName, CommandDefinition>> = {
  install: {
    meaning: 'reads the facts of this machine, checks the connection, and registers; also "register"',
    options: INSTALL_OPTIONS,
  },
  run: { meaning: 'sends heartbeats until it is stopped', options: [] },
  reregister: {
    meaning: 'registers again after a change of passphrase, address or server; same host id',
    options: REREGISTER_OPTIONS,
  },
  'set-proxy': { meaning: 'changes the proxy, and registers again', options: SET_PROXY_OPTIONS },
  unregister: { meaning: 'decommissions this process server', options: UNREGISTER_OPTIONS },
  status: { meaning: 'state of this machine, last heartbeat, last response; works offline', options: [] },
  check: { meaning: 'finds what is wrong between this machine and the configuration server', options: CHECK_OPTIONS },
  reset: { meaning: 'removes all local state', options: RESET_OPTIONS },
};

const ALIASES: Readonly<Record<string, CommandName>> = { register: 'install' };

/** Undefined if there is no such command. */
export const commandNamed = (name: string): CommandName | undefined =>
  COMMAND_NAMES.find((command) => command === name) ?? (Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined);

export const optionsOf = (command: CommandName): readonly OptionDefinition[] => [
  ...COMMANDS[command].options,
  ...COMMON_OPTIONS,
];

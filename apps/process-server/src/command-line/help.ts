import { EXIT_CODE_MEANINGS } from '../output/exit-codes.js';
import { COMMAND_NAMES, COMMANDS, optionsOf, type CommandName } from './commands.js';
import { COMMON_OPTIONS, type OptionDefinition } from './options.js';

const rowsOf = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`).join('\n');
};

const spellingOf = ({ name, value, installer }: OptionDefinition): string =>
  `--${name}${value === null ? '' : ` ${value}`}${installer ? `, /${installer}` : ''}`;

const optionRows = (options: readonly OptionDefinition[]): string =>
  rowsOf(options.map((option) => [spellingOf(option), option.meaning] as const));

export const GENERAL_HELP = `process-server COMMAND [options]      the agent of a process server

${rowsOf(COMMAND_NAMES.map((name) => [name, COMMANDS[name].meaning] as const))}

${optionRows(COMMON_OPTIONS)}

"process-server COMMAND --help" lists the options of a command. Options of the original installer are accepted in its spelling:
process-server /ServerMode PS /CSIP 10.101.24.126 /PassphraseFilePath C:\\passphrase.txt

Exit codes:
${rowsOf(EXIT_CODE_MEANINGS.map(([code, meaning]) => [String(code), meaning] as const))}

State is kept in STATE_DIRECTORY, by default /var/lib/process-server (Windows: %ProgramData%\\process-server).`;

export const helpOf = (command: CommandName): string => `process-server ${command} [options]

${COMMANDS[command].meaning}

${optionRows(optionsOf(command))}`;

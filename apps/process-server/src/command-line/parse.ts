import { usageError } from '../output/agent-error.js';
import { commandNamed, COMMAND_NAMES, optionsOf, type CommandName } from './commands.js';
import { COMMON_OPTIONS, FOREIGN_INSTALLER_OPTIONS, type OptionDefinition } from './options.js';

/** The given options: the value, or an empty text for a flag. */
export type OptionValues = ReadonlyMap<string, string>;

export interface CommandLine {
  /** Null: none was named, for the general help. */
  readonly command: CommandName | null;
  readonly values: OptionValues;
  /** As the option was written, e.g. `/CSIP`, for messages. */
  readonly spellings: ReadonlyMap<string, string>;
}

/**
 * Parses `install --cs-address cs.example.net` and the original installer's `/ServerMode PS /CSIP cs.example.net`, in any letter case.
 * A command line of the installer needs no command.
 * @throws AgentError (usage) that names the argument.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const first = args[0] ?? '';
  const isInstaller = first.startsWith('/');
  const command = isInstaller ? 'install' : (commandNamed(first.toLowerCase()) ?? null);
  if (!command && first && !first.startsWith('-'))
    throw usageError(first, `"${first}" is not a command. The commands are ${COMMAND_NAMES.join(', ')}.`);
  const rest = command && !isInstaller ? args.slice(1) : args;
  return { command, ...parseOptions(rest, command ? optionsOf(command) : COMMON_OPTIONS) };
}

function parseOptions(
  args: readonly string[],
  options: readonly OptionDefinition[],
): Pick<CommandLine, 'values' | 'spellings'> {
  const values = new Map<string, string>();
  const spellings = new Map<string, string>();
  for (let index = 0; index < args.length; index += 1) {
    const { option, spelling, inlineValue } = findOption(args[index]!, options);
    if (values.has(option.name)) throw usageError(spelling, `${spelling} is given twice.`);
    let value = inlineValue;
    if (option.value !== null && value === null) value = args[(index += 1)] ?? null;
    if (option.value !== null && !value) throw usageError(spelling, `${spelling} needs a value: ${option.value}.`);
    if (option.value === null && value !== null) throw usageError(spelling, `${spelling} takes no value.`);
    values.set(option.name, value ?? '');
    spellings.set(option.name, spelling);
  }
  return { values, spellings };
}

interface FoundOption {
  readonly option: OptionDefinition;
  readonly spelling: string;
  /** After `=`; null without one. */
  readonly inlineValue: string | null;
}

function findOption(arg: string, options: readonly OptionDefinition[]): FoundOption {
  if (arg.startsWith('/')) return { ...findInstallerOption(arg, options), inlineValue: null };
  if (!arg.startsWith('--')) {
    if (arg === '-h') return findOption('--help', options);
    throw usageError(arg, `"${arg}" is not expected here.`);
  }
  const equals = arg.indexOf('=');
  const spelling = equals < 0 ? arg : arg.slice(0, equals);
  const name = spelling.slice(2).toLowerCase();
  const option = options.find((known) => known.name === name || known.alias === name);
  if (!option) throw usageError(spelling, unknownOption(spelling, options));
  return { option, spelling, inlineValue: equals < 0 ? null : arg.slice(equals + 1) };
}

function findInstallerOption(arg: string, options: readonly OptionDefinition[]): Omit<FoundOption, 'inlineValue'> {
  const name = arg.slice(1).toLowerCase();
  const reason = Object.hasOwn(FOREIGN_INSTALLER_OPTIONS, name) ? FOREIGN_INSTALLER_OPTIONS[name] : undefined;
  if (reason) throw usageError(arg, `${arg} ${reason}.`);
  const option = options.find((known) =>
    name === '?' ? known.name === 'help' : (known.installer ?? known.name).toLowerCase() === name,
  );
  if (!option) throw usageError(arg, unknownOption(arg, options));
  return { option, spelling: arg };
}

const unknownOption = (spelling: string, options: readonly OptionDefinition[]): string =>
  `${spelling} is not an option of this command. Its options are ${options.map(({ name }) => `--${name}`).join(', ')}.`;

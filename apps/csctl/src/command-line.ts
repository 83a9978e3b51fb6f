import { parseArgs } from 'node:util';
import { usageError } from '@app/cli';
import { GLOBAL_OPTIONS, type CommandDefinition, type OptionDefinition } from './command.js';
import { FORMATS, type Format, type ParsedCommand } from './parsed-command.js';

/** The command that the first words name, and the words after it; null if they name none. */
export function findCommand(
  commands: readonly CommandDefinition[],
  words: readonly string[],
): { readonly command: CommandDefinition; readonly rest: readonly string[] } | null {
  const length = (command: CommandDefinition): number => command.name.split(' ').length;
  const named = commands
    .filter((command) => words.slice(0, length(command)).join(' ') === command.name)
    .sort((a, b) => length(b) - length(a))[0];
  return named ? { command: named, rest: words.slice(length(named)) } : null;
}

/** @throws CliError that names the argument or option. */
export function parseCommand(command: CommandDefinition, words: readonly string[]): ParsedCommand {
  const help = `csctl ${command.name}`;
  const options = { ...command.options, ...GLOBAL_OPTIONS };
  const { values, positionals } = parseWords(options, words, help);
  const wantsHelp = values['help'] === true;
  if (!wantsHelp) {
    checkArguments(command, positionals, help);
    checkOptions(options, values, help);
  }
  return {
    commandName: command.name,
    arguments: positionals,
    values,
    format: (values['output'] ?? FORMATS[0]) as Format,
    context: typeof values['context'] === 'string' ? values['context'] : null,
    wantsHelp,
  };
}

type Values = Record<string, string | boolean | undefined>;

function parseWords(
  options: Readonly<Record<string, OptionDefinition>>,
  words: readonly string[],
  help: string,
): { values: Values; positionals: string[] } {
  const shortNames: Readonly<Record<string, string>> = { output: 'o', help: 'h' };
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(Object.hasOwn(shortNames, name) && { short: shortNames[name] as string }),
      },
    ]),
  );
  try {
    return parseArgs({ args: [...words], options: config, strict: true, allowPositionals: true }) as {
      values: Values;
      positionals: string[];
    };
  } catch (error) {
    // The first sentence names the option; the others explain the conventions of Node.
    const [sentence = ''] = (error as Error).message.split(/\. |\n/);
    throw usageError(`${sentence.replace(/[.]$/, '')}.`, help);
  }
}

function checkArguments(command: CommandDefinition, given: readonly string[], help: string): void {
  const expected = command.arguments ?? [];
  const missing = expected.slice(given.length).find(({ optional }) => !optional);
  if (missing) throw usageError(`${missing.name} is missing: ${missing.meaning}.`, help);
  if (given.length > expected.length) throw usageError(`"${given[expected.length]}" is one argument too many.`, help);
  for (const [index, { name, choices }] of expected.entries()) {
    const value = given[index];
    if (value === '') throw usageError(`${name} is empty.`, help);
    if (value !== undefined && choices && !choices.includes(value))
      throw usageError(`${name} is "${value}", but must be one of ${choices.join(', ')}.`, help);
  }
}

function checkOptions(options: Readonly<Record<string, OptionDefinition>>, values: Values, help: string): void {
  for (const [name, { choices, required, meaning }] of Object.entries(options)) {
    const value = values[name];
    if (value === undefined && required) throw usageError(`--${name} is missing: ${meaning}.`, help);
    if (value === '') throw usageError(`--${name} is empty.`, help);
    if (typeof value === 'string' && choices && !choices.includes(value))
      throw usageError(`--${name} is "${value}", but must be one of ${choices.join(', ')}.`, help);
  }
}

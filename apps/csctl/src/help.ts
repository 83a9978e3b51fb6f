import { GLOBAL_OPTIONS, type CommandDefinition, type OptionDefinition } from './command.js';

const WIDTH = 100;

/** Help of the program: every command with its summary. */
export function programHelp(commands: readonly CommandDefinition[]): string {
  const listed = commands.filter(({ hidden }) => !hidden).map((command): Row => [usage(command), command.summary]);
  return `csctl: command line of the configuration server for operators

Usage: csctl COMMAND [options]

Commands:
${rows(listed)}

Options of every command:
${rows(Object.entries(GLOBAL_OPTIONS).map(optionRow))}
  --version               print the version

HOST is a host id, a name or an address. Data is printed on stdout, everything else on stderr.
Exit codes: 0 ok, 1 failed, 2 usage, 3 refused by a rule, 4 secret not accepted, 5 not found, 6 unreachable,
7 wait timed out, 78 configuration, 130 interrupted.

"csctl COMMAND --help" explains a command.
`;
}

/** Help of one command. */
export function commandHelp(command: CommandDefinition): string {
  const { summary, description = [], examples = [] } = command;
  const own = Object.entries(command.options ?? {}).map(optionRow);
  const argumentRows = (command.arguments ?? []).map(({ name, meaning }): Row => [name, meaning]);
  return [
    `Usage: csctl ${usage(command)}${own.length > 0 ? ' [options]' : ''}`,
    [summary, ...description].map((paragraph) => wrap(paragraph, WIDTH).join('\n')).join('\n\n'),
    ...(argumentRows.length > 0 ? [`Arguments:\n${rows(argumentRows)}`] : []),
    ...(own.length > 0 ? [`Options:\n${rows(own)}`] : []),
    `Options of every command:\n${rows(Object.entries(GLOBAL_OPTIONS).map(optionRow))}`,
    ...(examples.length > 0 ? [`Examples:\n${examples.map((example) => `  ${example}`).join('\n')}`] : []),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n');
}

/** Name, arguments and required options of a command. */
export function usage({ name, arguments: given = [], options = {} }: CommandDefinition): string {
  const positional = given.map((argument) => (argument.optional ? `[${argument.name}]` : argument.name));
  const required = Object.entries(options)
    .filter(([, option]) => option.required)
    .map(([option, { value }]) => `--${option} ${value}`);
  return [name, ...positional, ...required].join(' ');
}

type Row = readonly [string, string];

function optionRow([name, { value, choices, meaning, required }]: readonly [string, OptionDefinition]): Row {
  const placeholder = value === undefined ? '' : ` ${value}`;
  const values = choices ? ` (${choices.join(', ')})` : '';
  return [`--${name}${placeholder}`, `${meaning}${values}${required ? '; required' : ''}`];
}

function rows(entries: readonly Row[]): string {
  const width = Math.max(22, ...entries.map(([left]) => (left.length > 34 ? 0 : left.length)));
  return entries
    .flatMap(([left, right]) => {
      const lines = wrap(right, WIDTH - width - 4);
      const fits = left.length <= width;
      const first = fits ? [`  ${left.padEnd(width)}  ${lines[0] ?? ''}`] : [`  ${left}`];
      return [...first, ...lines.slice(fits ? 1 : 0).map((line) => `${' '.repeat(width + 4)}${line}`)];
    })
    .join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

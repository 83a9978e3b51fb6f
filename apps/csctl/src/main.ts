import { failureOf, OutputStream, usageError, EXIT_CODES, type ExitCode } from '@app/cli';
import { ADVICE } from './advice.js';
import { findCommand, parseCommand } from './command-line.js';
import { COMMANDS } from './commands.js';
import { Invocation } from './invocation.js';
import { Printer } from './output/printer.js';
import { Terminal } from './terminal.js';

const stdout = new OutputStream(process.stdout);
process.stderr.on('error', () => undefined); // messages that nothing reads are no failure
const terminal = new Terminal(process.stdin, process.stderr);
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    // The first one lets a change that was sent come to its end; the second one does not wait.
    if (interruption.signal.aborted) process.exit(EXIT_CODES.interrupted);
    interruption.abort();
  });

async function run(words: readonly string[]): Promise<ExitCode> {
  const first = words[0] ?? '--help';
  if (first === '--help' || first === '-h' || first === 'help') {
    const named = findCommand(COMMANDS, words.slice(1));
    const { commandHelp, programHelp } = await import('./help.js');
    await stdout.write(named ? commandHelp(named.command) : programHelp(COMMANDS));
    return EXIT_CODES.ok;
  }
  if (first === '--version') {
    const { programVersion } = await import('./version.js');
    await stdout.write(`${programVersion()}\n`);
    return EXIT_CODES.ok;
  }
  const found = findCommand(COMMANDS, words);
  if (!found) throw unknownCommand(words);
  const { command, rest } = found;
  const parsed = parseCommand(command, rest);
  if (parsed.wantsHelp) {
    const { commandHelp } = await import('./help.js');
    await stdout.write(commandHelp(command));
    return EXIT_CODES.ok;
  }
  const isTerminal = process.stdout.isTTY === true;
  const printer = new Printer({
    format: parsed.format,
    stdout,
    width: (isTerminal && process.stdout.columns) || null,
    isTerminal,
    hasColour: isTerminal && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
  });
  const invocation = new Invocation(parsed, printer, terminal, interruption.signal);
  try {
    const { run: runCommand } = await command.load();
    return (await runCommand(invocation)) ?? EXIT_CODES.ok;
  } catch (error) {
    return report(error, invocation.target);
  } finally {
    await invocation.close();
  }
}

function unknownCommand(words: readonly string[]): Error {
  const group = COMMANDS.filter(({ name, hidden }) => !hidden && name.startsWith(`${words[0]} `));
  if (group.length > 0)
    return usageError(
      `"${words[0]}" needs one of: ${group.map(({ name }) => name.split(' ')[1]).join(', ')}.`,
      'csctl',
    );
  return usageError(`There is no command "${words[0]}".`, 'csctl');
}

function report(error: unknown, target: string | null): ExitCode {
  const { exitCode, lines } = failureOf(error, target, ADVICE);
  terminal.endProgress();
  terminal.say(...lines);
  return exitCode;
}

// The exit code is set and the process ends by itself: process.exit would cut what a pipe has not taken yet.
process.exitCode = await run(process.argv.slice(2)).catch((error: unknown) => report(error, null));
if (process.stdin.isTTY) process.stdin.unref();

#!/usr/bin/env node
import { setTimeout as pause } from 'node:timers/promises';
import { EXIT_CODES, type ExitCode } from '@app/cli';
import type { CommandName } from './command-line/commands.js';
import { GENERAL_HELP, helpOf } from './command-line/help.js';
import { parseCommandLine } from './command-line/parse.js';
import type { Command } from './commands/command.js';
import { Printer } from './output/printer.js';
import { StateFile } from './state/state-file.js';
import { stateFolder } from './state/state-folder.js';

/** Each command is loaded when it runs: the help must not wait for the network code. */
const LOADERS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  install: async () => (await import('./commands/install.js')).install,
  run: async () => (await import('./commands/run.js')).run,
  reregister: async () => (await import('./commands/reregister.js')).reregister,
  'set-proxy': async () => (await import('./commands/set-proxy.js')).setProxy,
  unregister: async () => (await import('./commands/unregister.js')).unregister,
  status: async () => (await import('./commands/status.js')).status,
  check: async () => (await import('./commands/check.js')).check,
  reset: async () => (await import('./commands/reset.js')).reset,
};

const EXIT_CODE_OF_SIGNAL = { SIGTERM: EXIT_CODES.ok, SIGINT: EXIT_CODES.interrupted } as const;
/** A command that does not end by itself after a signal is ended: a stopped service must not delay the machine. */
const END_WITHIN_MS = 1_500;

async function main(args: readonly string[]): Promise<ExitCode> {
  const printer = new Printer(args.some((arg) => arg.toLowerCase() === '--json'));
  try {
    const line = parseCommandLine(args);
    if (line.values.has('help') || line.command === null) {
      await printer.result({ help: line.command }, [line.command ? helpOf(line.command) : GENERAL_HELP]);
      return line.values.has('help') ? EXIT_CODES.ok : EXIT_CODES.usage;
    }
    const command = await LOADERS[line.command]();
    const file = new StateFile(stateFolder(process.env));
    const { signal, interrupted } = untilSignal();
    return await Promise.race([command({ line, file, printer, environment: process.env, signal }), interrupted]);
  } catch (error) {
    return printer.failure(error);
  }
}

function untilSignal(): { readonly signal: AbortSignal; readonly interrupted: Promise<ExitCode> } {
  const abort = new AbortController();
  const interrupted = new Promise<ExitCode>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const)
      process.once(name, () => {
        abort.abort();
        void pause(END_WITHIN_MS).then(() => resolve(EXIT_CODE_OF_SIGNAL[name]));
      });
  });
  return { signal: abort.signal, interrupted };
}

process.exit(await main(process.argv.slice(2)));

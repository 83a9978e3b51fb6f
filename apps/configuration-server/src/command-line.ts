import { parseArgs } from 'node:util';

const OPTIONS = {
  insecure: { type: 'boolean', default: false },
  'new-admin-key': { type: 'boolean', default: false },
  'migrate-only': { type: 'boolean', default: false },
  restored: { type: 'boolean', default: false },
} as const;

/** An argument that the program does not have. */
export class CommandLineError extends Error {}

export interface CommandLine {
  readonly insecure: boolean;
  readonly migrateOnly: boolean;
  readonly newAdminKey: boolean;
  readonly restored: boolean;
}

/** What follows `npm start --`. @throws CommandLineError that names the argument and those that there are. */
export function readCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    return { insecure: values.insecure, migrateOnly: values['migrate-only'], newAdminKey: values['new-admin-key'], restored: values.restored };
  } catch (error) {
    const known = Object.keys(OPTIONS).map((name) => `--${name}`).join(', ');
    throw new CommandLineError(`${(error as Error).message.split('. ')[0]}. The options are ${known}. Everything else is a setting (README.md).`);
  }
}

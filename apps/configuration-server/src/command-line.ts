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
  /** Serve plain HTTP on an address that is not loopback. */
  readonly insecure: boolean;
  /** Make or change the schema, and end. */
  readonly migrateOnly: boolean;
  /** Make one more admin key. */
  readonly newAdminKey: boolean;
  /** The database was restored from a backup. */
  readonly restored: boolean;
}

/** What follows `npm start --`. @throws CommandLineError that names the argument and those that there are. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const values = parsed(args);
  const { insecure, restored, 'new-admin-key': newAdminKey, 'migrate-only': migrateOnly } = values;
  if (migrateOnly && (restored || newAdminKey)) throw new CommandLineError(`--migrate-only makes the schema and ends: start again with ${restored ? '--restored' : '--new-admin-key'} after it.`);
  return { insecure, migrateOnly, newAdminKey, restored };
}

function parsed(args: readonly string[]): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    const known = Object.keys(OPTIONS).map((name) => `--${name}`).join(', ');
    throw new CommandLineError(`${(error as Error).message.split('. ')[0]}. The options are ${known}. Everything else is a setting (README.md).`);
  }
}

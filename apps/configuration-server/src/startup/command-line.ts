import { parseArgs } from 'node:util';

const OPTIONS = {
  help: { type: 'boolean', default: false },
  insecure: { type: 'boolean', default: false },
  'new-admin-key': { type: 'boolean', default: false },
  'migrate-only': { type: 'boolean', default: false },
  restored: { type: 'boolean', default: false },
} as const;

/** Output of `--help`. */
export const HELP = `npm start -- [options]
  --new-admin-key  creates another admin key
  --migrate-only   creates or changes the schema, and exits
  --restored       the database was restored from a backup (docs/backup-and-restore.md)
  --insecure       plain HTTP on an address that is not loopback
All other options are settings (docs/settings.md).`;

/** An unknown argument. */
export class CommandLineError extends Error {}

export interface CommandLine {
  /** Print the options, and exit. */
  readonly help: boolean;
  /** Serve plain HTTP on an address that is not loopback. */
  readonly insecure: boolean;
  /** Create or change the schema, and exit. */
  readonly migrateOnly: boolean;
  /** Create another admin key, e.g. after the loss of all keys. */
  readonly newAdminKey: boolean;
  /** The database was restored from a backup: the data directory completes it. */
  readonly restored: boolean;
}

/** Parses the arguments after `npm start --`. @throws CommandLineError that names the argument and all options. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const values = parsed(args);
  const { help, insecure, restored, 'new-admin-key': newAdminKey, 'migrate-only': migrateOnly } = values;
  if (migrateOnly && (restored || newAdminKey))
    throw new CommandLineError(
      `--migrate-only migrates the schema and exits: start again with ${restored ? '--restored' : '--new-admin-key'} after it.`,
    );
  return { help, insecure, migrateOnly, newAdminKey, restored };
}

function parsed(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ args: string[]; options: typeof OPTIONS }>>['values'] {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    const known = Object.keys(OPTIONS)
      .map((name) => `--${name}`)
      .join(', ');
    throw new CommandLineError(
      `${(error as Error).message.split('. ')[0]}. The options are ${known}. All other options are settings (docs/settings.md).`,
    );
  }
}

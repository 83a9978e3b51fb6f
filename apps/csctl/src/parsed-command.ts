export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

/** A command line after its check. */
export interface ParsedCommand {
  readonly commandName: string;
  readonly arguments: readonly string[];
  /** Options by name; flags are `true`. */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly format: Format;
  readonly context: string | null;
  readonly wantsHelp: boolean;
}

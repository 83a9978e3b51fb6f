import { chooseContext, type ContextFile } from './contexts.js';

/** A context without its key. */
export interface ContextSummary {
  readonly name: string;
  readonly server: string;
  /** The first characters of the API key, as `csctl keys list` shows them. */
  readonly keyPrefix: string;
  readonly isCurrent: boolean;
}

const KEY_PREFIX_LENGTH = 12;

export function contextSummaries(file: ContextFile): ContextSummary[] {
  return Object.entries(file.contexts).map(([name, { url, apiKey }]) => ({
    name,
    server: url,
    keyPrefix: apiKey.slice(0, KEY_PREFIX_LENGTH),
    isCurrent: name === file.current,
  }));
}

/** The summary of the context that the option or the environment names, otherwise of the chosen one. */
export function contextInUse(file: ContextFile, option: string | null): ContextSummary {
  const { name } = chooseContext(file, option);
  return contextSummaries(file).find((summary) => summary.name === name) as ContextSummary;
}

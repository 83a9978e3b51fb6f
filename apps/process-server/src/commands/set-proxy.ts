import { usageError } from '../output/agent-error.js';
import type { Command } from './command.js';
import { reregister } from './reregister.js';

/** The proxy is stored only if the configuration server can be reached with it. */
export const setProxy: Command = (context) => {
  const { values } = context.line;
  if (!values.has('proxy-settings-file') && !values.has('bypass-proxy'))
    throw usageError('--proxy-settings-file', '--proxy-settings-file or --bypass-proxy is missing.');
  return reregister(context);
};

import type { OptionReader } from '../command-line/values.js';
import { usageError } from '../output/agent-error.js';
import { readConfiguredFile } from './configured-file.js';
import { parseProxySettings, ProxySettingsError, type ProxySettings } from './proxy-settings-file.js';

/** The proxy that the options name; `current` if they name none. @throws AgentError for a file that is not as the original's. */
export async function readProxy(options: OptionReader, current: ProxySettings | null): Promise<ProxySettings | null> {
  const path = options.file('proxy-settings-file');
  if (options.has('bypass-proxy')) {
    if (path !== null)
      throw usageError('--bypass-proxy', '--bypass-proxy and --proxy-settings-file exclude each other.');
    return null;
  }
  if (path === null) return current;
  try {
    return parseProxySettings(await readConfiguredFile(path, '--proxy-settings-file'));
  } catch (error) {
    if (!(error instanceof ProxySettingsError)) throw error;
    throw usageError('--proxy-settings-file', `${path} is not a proxy settings file: ${error.message}.`);
  }
}

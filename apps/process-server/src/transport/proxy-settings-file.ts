/** A proxy of the machine. Null name and password: it asks for none. */
export interface ProxySettings {
  readonly address: string;
  readonly port: number;
  readonly login: { readonly user: string; readonly password: string } | null;
}

/** The file does not have the form of the original's proxy settings. */
export class ProxySettingsError extends Error {}

const KEYS = ['proxyauthentication', 'proxy ip', 'proxyport', 'proxyusername', 'proxypassword'] as const;
type Key = (typeof KEYS)[number];

/**
 * Reads the settings file of the original installer: `[ProxySettings]` with `Proxy IP = "…"`. A quoted value ends at the last quote of
 * its line, and every character in between stands for itself, because passwords hold backslashes, semicolons, `#` and quotes.
 * @throws ProxySettingsError that names the key; the message never has a value of the file except for the port.
 */
export function parseProxySettings(text: string): ProxySettings {
  const values = new Map<Key, string>();
  let isInSection = false;
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = raw.replace(/^\s*\* /, '').trim();
    if (!line || /^[;#]/.test(line)) continue;
    const section = /^\[(.*)\]$/.exec(line)?.[1];
    if (section !== undefined) isInSection = section.trim().toLowerCase() === 'proxysettings';
    else if (isInSection) {
      const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(line) ?? [];
      const key = KEYS.find((known) => known === name.trim().replace(/\s+/g, ' ').toLowerCase());
      if (!key) throw new ProxySettingsError(`line ${index + 1} has none of the keys of [ProxySettings]`);
      if (values.has(key)) throw new ProxySettingsError(`${name.trim()} occurs twice`);
      values.set(key, /^"(.*)"$/.exec(value.trim())?.[1] ?? value.trim());
    }
  }
  return settingsOf(values);
}

function settingsOf(values: ReadonlyMap<Key, string>): ProxySettings {
  const required = (key: Key, name: string): string => {
    const value = values.get(key);
    if (!value) throw new ProxySettingsError(`${name} is missing in [ProxySettings]`);
    return value;
  };
  const authentication = required('proxyauthentication', 'ProxyAuthentication').toLowerCase();
  if (authentication !== 'yes' && authentication !== 'no')
    throw new ProxySettingsError('ProxyAuthentication must be Yes or No');
  const port = required('proxyport', 'ProxyPort');
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)
    throw new ProxySettingsError(`ProxyPort must be a whole number from 1 to 65535, not "${port.slice(0, 20)}"`);
  return {
    address: required('proxy ip', 'Proxy IP'),
    port: Number(port),
    login:
      authentication === 'no'
        ? null
        : {
            user: required('proxyusername', 'ProxyUserName'),
            password: required('proxypassword', 'ProxyPassword'),
          },
  };
}

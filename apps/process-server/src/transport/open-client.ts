import { ConfigurationServerClient } from '@app/api-client';
import { configurationError } from '../output/agent-error.js';
import type { Connection } from '../state/agent-state.js';
import type { ProxySettings } from './proxy-settings-file.js';
import { readConfiguredFile } from './configured-file.js';

const TIMEOUT_MS = 20_000;

/** A client for one connection, through the proxy if there is one. @throws AgentError (configuration) if the CA file cannot be used. */
export async function openClient({ url, caFile, proxy }: Connection): Promise<ConfigurationServerClient> {
  const { Agent, ProxyAgent } = await import('undici');
  const ca = caFile === null ? undefined : await readConfiguredFile(caFile, '--ca-file');
  if (ca !== undefined && !ca.includes('BEGIN CERTIFICATE'))
    throw configurationError(
      'ca_file',
      `${caFile} has no certificate in PEM.`,
      'Correct --ca-file with "process-server reregister".',
    );
  const limits = { connections: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
  const connect = { timeout: TIMEOUT_MS, ...(ca !== undefined && { ca }) };
  const dispatcher = proxy
    ? new ProxyAgent({
        uri: proxyUri(proxy),
        requestTls: connect,
        ...limits,
        ...(proxy.login && { token: proxyToken(proxy.login) }),
      })
    : new Agent({ ...limits, connect });
  return new ConfigurationServerClient({ url, dispatcher });
}

export const proxyUri = ({ address, port }: ProxySettings): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}`;

/** RFC 7617, in UTF-8. */
export const proxyToken = ({ user, password }: { readonly user: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;

import { TLSSocket } from 'node:tls';
import { ConfigurationServerClient } from '@app/api-client';
import type { buildConnector } from 'undici';
import { configurationError } from '../output/agent-error.js';
import type { Connection } from '../state/agent-state.js';
import type { ProxySettings } from './proxy-settings-file.js';
import { readConfiguredFile } from './configured-file.js';

const TIMEOUT_MS = 20_000;

/** A client for one connection, through the proxy if there is one. @throws AgentError (configuration) if the CA file cannot be used. */
export async function openClient({
  url,
  caFile,
  certificateSha256,
  proxy,
}: Connection): Promise<ConfigurationServerClient> {
  const { Agent, buildConnector, ProxyAgent } = await import('undici');
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
    : new Agent({
        ...limits,
        connect: certificateSha256 === null ? connect : pinnedConnector(buildConnector, connect, certificateSha256),
      });
  return new ConfigurationServerClient({ url, dispatcher });
}

type Connector = buildConnector.connector;

/**
 * Accepts a certificate by its fingerprint as well as by an authority: a new site has a certificate of its own, and one that is
 * renewed by an authority has another fingerprint.
 */
export function pinnedConnector(
  build: typeof buildConnector,
  options: buildConnector.BuildOptions,
  certificateSha256: string,
): Connector {
  // Node does not verify the name in a resumed session, which this one may have accepted by its fingerprint.
  const connect = build({ ...options, rejectUnauthorized: false, maxCachedSessions: 0 });
  return (target, callback) =>
    connect(target, (...[error, socket]) => {
      if (error) return callback(error, null);
      if (!(socket instanceof TLSSocket) || socket.authorized) return callback(null, socket);
      const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
      const code = String(socket.authorizationError);
      // The fingerprint vouches for issuer and name, not for the dates.
      if (fingerprint === certificateSha256 && code !== 'CERT_HAS_EXPIRED' && code !== 'CERT_NOT_YET_VALID')
        return callback(null, socket);
      socket.destroy();
      callback(Object.assign(new Error(code), { code }), null);
    });
}

export const proxyUri = ({ address, port }: ProxySettings): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}`;

/** RFC 7617, in UTF-8. */
export const proxyToken = ({ user, password }: { readonly user: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;

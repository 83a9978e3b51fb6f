import { ApiProblemError } from '@app/api-client';
import { EXIT_CODES, failureOf, type ExitCode } from '@app/cli';
import { AgentError } from '../output/agent-error.js';
import type { Connection } from '../state/agent-state.js';
import { tlsFaultOf, type TlsFault } from './tls-errors.js';

/** The causes of a failure between this machine and the configuration server that have a name of their own, besides problem codes. */
export type ConnectionCause =
  'name_resolution' | 'port' | TlsFault | 'proxy_unreachable' | 'proxy_authentication' | 'proxy_rejected';

const CLOCK = 'Check the clock of this machine; if it is right, renew the certificate.';
const ADVICE: Readonly<Record<ConnectionCause, string>> = {
  name_resolution: 'Check the name in --cs-address and the name servers of this machine.',
  port: 'Check that the configuration server runs, --cs-address and --cs-port, and the firewalls in between.',
  tls_chain: 'Name the authority that issued the certificate with --ca-file.',
  tls_name: 'Use a name of the certificate in --cs-address, or issue the certificate for this name.',
  tls_date: CLOCK,
  tls_protocol: 'Check --cs-port: something other than the configuration server may listen there.',
  proxy_unreachable:
    'Check address and port in the proxy settings, and run "process-server set-proxy --proxy-settings-file FILE".',
  proxy_authentication:
    'Correct user name and password in the proxy settings, and run "process-server set-proxy --proxy-settings-file FILE".',
  proxy_rejected: 'Allow the proxy to connect to the configuration server and its port.',
};

export const connectionError = (cause: ConnectionCause, message: string): AgentError =>
  new AgentError(
    cause === 'proxy_authentication' ? EXIT_CODES.secretNotAccepted : EXIT_CODES.unreachable,
    cause,
    message,
    ADVICE[cause],
  );

/** The error of a call with its cause; problems of the configuration server stay as they are. */
export function explainError(error: unknown, connection: Pick<Connection, 'url' | 'proxy'>): unknown {
  if (error instanceof AgentError || error instanceof ApiProblemError) return error;
  const { code, text } = deepest(error);
  const { hostname, port } = new URL(connection.url);
  const server = `${hostname}:${port || (connection.url.startsWith('https:') ? '443' : '80')}`;
  const proxyStatus = /Proxy response \((\d+)\)/.exec(text)?.[1];
  if (proxyStatus) return proxyError(proxyStatus, connection);
  const fault = tlsFaultOf(code);
  if (fault) return connectionError(fault, `${TLS_MESSAGES[fault]} (${server}: ${text}).`);
  const isLookup = code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL';
  if (connection.proxy && (isLookup || NO_CONNECTION.has(code)))
    return connectionError(
      'proxy_unreachable',
      `The proxy ${connection.proxy.address}:${connection.proxy.port} cannot be reached (${code}).`,
    );
  if (isLookup) return connectionError('name_resolution', `The name ${hostname} cannot be resolved (${code}).`);
  if (NO_CONNECTION.has(code)) return connectionError('port', `No connection to ${server} (${code}).`);
  return error;
}

const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EPIPE',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);

const TLS_MESSAGES: Readonly<Record<TlsFault, string>> = {
  tls_chain: 'The certificate of the configuration server was not issued by a trusted authority',
  tls_name: 'The certificate of the configuration server is for another name',
  tls_date: 'The certificate of the configuration server is not valid at the time of this machine',
  tls_protocol: 'The configuration server does not speak TLS there',
};

export function proxyError(status: string, { url, proxy }: Pick<Connection, 'url' | 'proxy'>): AgentError {
  const name = `The proxy ${proxy?.address}:${proxy?.port}`;
  return status === '407'
    ? connectionError('proxy_authentication', `${name} does not accept user name and password (407).`)
    : connectionError('proxy_rejected', `${name} does not connect to ${new URL(url).host} (${status}).`);
}

/** The stable name of an error, for JSON output and the record of the daemon. */
export function causeOf(error: unknown): string {
  if (error instanceof AgentError) return error.code;
  if (error instanceof ApiProblemError) return error.problem.code;
  return 'failed';
}

export const exitCodeOf = (error: unknown): ExitCode => failureOf(error, null).exitCode;

/** The code and message of the innermost error. */
function deepest(error: unknown): { readonly code: string; readonly text: string } {
  const { code, message, cause, errors } = error as {
    code?: unknown;
    message?: unknown;
    cause?: unknown;
    errors?: unknown[];
  };
  const inner = Array.isArray(errors) ? errors[0] : cause;
  if (inner && typeof inner === 'object') {
    const found = deepest(inner);
    if (found.code) return found;
  }
  return { code: typeof code === 'string' ? code : '', text: String(message ?? error) };
}

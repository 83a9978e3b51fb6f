import type { AddressInfo } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import type { Settings } from '@app/platform';

/** How process servers reach the configuration server. */
export interface PublicConnection {
  /** Names or addresses. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly tls: boolean;
}

const LOOPBACK = '127.0.0.1';
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

/** A link-local address is only valid with the interface of the other machine. */
const isReachable = ({ internal, address }: NetworkInterfaceInfo): boolean =>
  !internal && !/^(169\.254\.|fe[89ab])/i.test(address);

/**
 * PUBLIC_URL; without it the address that the server listens on, and for a wildcard all addresses of its network interfaces.
 * `listening` is null until the server listens.
 */
export function publicConnection(
  { publicUrl, http }: Pick<Settings, 'publicUrl' | 'http'>,
  listening: AddressInfo | null,
  interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>,
): PublicConnection {
  if (publicUrl) return publicUrl;
  const host = listening?.address ?? http.host;
  const ofInterfaces = (): string[] =>
    Object.values(interfaces()).flatMap((each = []) => each.filter(isReachable).map(({ address }) => address));
  const addresses = WILDCARDS.includes(host) ? ofInterfaces() : [host];
  return {
    addresses: addresses.length > 0 ? addresses : [LOOPBACK], // without a network, only this machine reaches the server
    port: listening?.port ?? http.port,
    tls: http.tls !== null,
  };
}

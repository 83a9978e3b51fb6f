import type { Socket } from 'node:net';

/** The addresses and ports of both ends, identical for a TLS connection and its TCP connection. */
export const connectionKey = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

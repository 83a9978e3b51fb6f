import type { Socket } from 'node:net';

/** The addresses and ports of both ends: the same for a TLS connection and for the TCP connection below it. */
export const connectionKey = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

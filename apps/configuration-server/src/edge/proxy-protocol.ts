import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientAddresses } from './client-address.js';
import type { RateLimitedLog } from './rate-limited-log.js';
import { readProxyHeader } from './proxy-protocol-header.js';

/** Connections that were closed for want of a PROXY protocol header. */
export class RejectedConnections {
  count = 0;

  constructor(private readonly log: RateLimitedLog) {}

  record(address: string, reason: string): void {
    this.count += 1;
    this.log.warn({ address, reason }, 'a connection without the PROXY protocol header of a trusted proxy was closed');
  }
}

/** A proxy sends the header at once. */
const HEADER_TIMEOUT_MS = 5_000;

interface ProxyProtocolSettings {
  readonly clients: ClientAddresses;
  readonly isTls: boolean;
  /** Five seconds unless this is less. */
  readonly requestTimeoutMs: number;
  readonly rejected: RejectedConnections;
}

/**
 * Reads the PROXY protocol header that each connection begins with, before TLS and HTTP see the connection. A connection that is not
 * from a trusted proxy, or does not begin with a header, is closed without an answer.
 */
export function expectProxyHeaders(server: Server, settings: ProxyProtocolSettings): void {
  const accept = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    readHeader(socket, settings, () => {
      for (const listener of accept) listener.call(server, socket);
    });
  });
}

function readHeader(
  socket: Socket,
  { clients, isTls, requestTimeoutMs, rejected }: ProxyProtocolSettings,
  accept: () => void,
): void {
  const peer = clients.ofPeer(socket);
  let received = Buffer.alloc(0);
  const reject = (reason: string): void => {
    if (!socket.destroyed) rejected.record(peer.address, reason);
    socket.destroy();
  };
  const onTimeout = (): void => reject('its PROXY protocol header did not arrive in time');
  /** A health check over TCP alone ends without a byte. */
  const onEnd = (): void =>
    void (received.length > 0 ? reject('it ended before its PROXY protocol header did') : socket.destroy());
  const timer = setTimeout(onTimeout, Math.min(HEADER_TIMEOUT_MS, requestTimeoutMs)).unref();
  const read = (bytes: Buffer): void => {
    received = Buffer.concat([received, bytes]);
    const header = readProxyHeader(received);
    if (header === 'incomplete') return;
    if (header === 'malformed') return reject('it does not begin with a PROXY protocol header');
    clearTimeout(timer);
    socket.off('data', read).off('end', onEnd).pause();
    if (received.length > header.length) socket.unshift(received.subarray(header.length));
    if (header.source !== null) clients.setClient(socket, header.source);
    accept();
    if (!isTls) socket.resume(); // TLS reads what is there by itself
  };
  socket.on('error', () => undefined).once('close', () => clearTimeout(timer));
  if (!peer.isTrusted) return reject('it is not from a trusted proxy');
  socket.on('data', read).once('end', onEnd);
}

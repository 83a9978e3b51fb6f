import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { ClientAddresses } from './client-address.js';
import type { RateLimitedLog } from './rate-limited-log.js';
import { readProxyHeader } from './proxy-protocol-header.js';

/** Connections closed because of a missing PROXY protocol header. */
export class RejectedConnections {
  count = 0;

  constructor(private readonly log: RateLimitedLog) {}

  record(address: string, reason: string): void {
    this.count += 1;
    this.log.warn({ address, reason }, 'a connection without the PROXY protocol header of a trusted proxy was closed');
  }
}

/** A proxy sends the header immediately. */
const HEADER_TIMEOUT_MS = 5_000;

interface ProxyProtocolSettings {
  readonly clients: ClientAddresses;
  readonly isTls: boolean;
  /** At most five seconds. */
  readonly requestTimeoutMs: number;
  readonly rejected: RejectedConnections;
}

/**
 * Reads the PROXY protocol header of each connection before TLS and HTTP read from it. A connection from an untrusted peer, or without
 * a header, is closed without a response.
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
  /** A TCP health check closes the connection without sending a byte. */
  const onEnd = (): void =>
    void (received.length > 0 ? reject('it ended within its PROXY protocol header') : socket.destroy());
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
    if (!isTls) socket.resume(); // TLS reads the buffered bytes itself
  };
  socket.on('error', () => undefined).once('close', () => clearTimeout(timer));
  if (!peer.isTrusted) return reject('it is not from a trusted proxy');
  socket.on('data', read).once('end', onEnd);
}

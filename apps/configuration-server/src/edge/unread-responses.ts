import type { Socket } from 'node:net';

/** What may wait for readers over all connections. */
export interface UnreadLimits {
  readonly responses: number;
  readonly bytes: number;
}

const LIMITS: UnreadLimits = { responses: 4_096, bytes: 64 * 1024 * 1024 };

/** The responses of one connection that wait to be read, with the bytes of memory that each holds. */
interface Unread {
  readonly bytesOf: Map<object, number>;
  /** What the client has sent meanwhile. */
  received: number;
}

/**
 * Responses whose bytes the system does not take because the client does not read them. Beyond the limits, over all connections,
 * the connections are closed that have read nothing for longest.
 */
export class UnreadResponses {
  /** The connection that has read nothing for longest comes first. */
  private readonly connections = new Map<Socket, Unread>();
  private count = 0;
  private bufferedBytes = 0;
  /** Connections that were closed for it so far. */
  closed = 0;

  constructor(private readonly limits: UnreadLimits = LIMITS) {}

  get responses(): number {
    return this.count;
  }

  get bytes(): number {
    return this.bufferedBytes;
  }

  /** A response holds this many bytes until its client reads on. */
  add(socket: Socket, response: object, bytes: number): void {
    if (socket.destroyed) return;
    let unread = this.connections.get(socket);
    if (!unread) this.connections.set(socket, (unread = { bytesOf: new Map(), received: socket.readableLength }));
    if (unread.bytesOf.size === 0) this.bufferedBytes += unread.received;
    this.count += unread.bytesOf.has(response) ? 0 : 1;
    this.bufferedBytes += bytes - (unread.bytesOf.get(response) ?? 0);
    unread.bytesOf.set(response, bytes);
    while (this.count > this.limits.responses || this.bufferedBytes > this.limits.bytes) this.closeFirst();
  }

  /** The client has read what the response held. */
  markRead(socket: Socket, response: object): void {
    const unread = this.connections.get(socket);
    const bytes = unread?.bytesOf.get(response);
    if (!unread || bytes === undefined) return;
    this.remove(socket);
    unread.bytesOf.delete(response);
    if (unread.bytesOf.size === 0) return;
    this.connections.set(socket, unread); // as the last one
    this.count += unread.bytesOf.size;
    this.bufferedBytes += sizeOf(unread);
  }

  /** The connection is closed. */
  remove(socket: Socket): void {
    const unread = this.connections.get(socket);
    if (!unread) return;
    this.connections.delete(socket);
    this.count -= unread.bytesOf.size;
    this.bufferedBytes -= sizeOf(unread);
  }

  private closeFirst(): void {
    const [first] = this.connections.keys();
    if (!first) return;
    this.remove(first);
    this.closed += 1;
    first.destroy();
  }
}

function sizeOf({ bytesOf, received }: Unread): number {
  let bytes = received;
  for (const each of bytesOf.values()) bytes += each;
  return bytes;
}

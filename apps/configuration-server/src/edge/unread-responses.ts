import type { Socket } from 'node:net';

/** Limits of unread responses over all connections. */
export interface UnreadLimits {
  readonly responses: number;
  readonly bytes: number;
}

const LIMITS: UnreadLimits = { responses: 4_096, bytes: 64 * 1024 * 1024 };

/** The unread responses of one connection, with the memory of each in bytes. */
interface Unread {
  readonly bytesOf: Map<object, number>;
  /** Requests of the client that arrived meanwhile, in bytes. */
  received: number;
}

/**
 * Tracks responses that clients do not read. Beyond the limits, over all connections, the connections are closed that have read nothing
 * for the longest time.
 */
export class UnreadResponses {
  /** Ordered: the connection that has read nothing for the longest time comes first. */
  private readonly connections = new Map<Socket, Unread>();
  private count = 0;
  private bufferedBytes = 0;
  /** Number of connections closed for this reason. */
  closed = 0;

  constructor(private readonly limits: UnreadLimits = LIMITS) {}

  get responses(): number {
    return this.count;
  }

  get bytes(): number {
    return this.bufferedBytes;
  }

  /** Adds the memory of a response until the client reads it. */
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

  /** The client has read the buffered part of the response. */
  markRead(socket: Socket, response: object): void {
    const unread = this.connections.get(socket);
    const bytes = unread?.bytesOf.get(response);
    if (!unread || bytes === undefined) return;
    this.remove(socket);
    unread.bytesOf.delete(response);
    if (unread.bytesOf.size === 0) return;
    this.connections.set(socket, unread); // moves it to the end
    this.count += unread.bytesOf.size;
    this.bufferedBytes += sizeOf(unread);
  }

  /** Called when the connection is closed. */
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

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxySettings, TrustedProxies } from '@app/platform';
import { canonicalAddress } from '@app/api-contract';
import { connectionKey } from './connection-key.js';
import { connectionState, type Peer } from './connection-state.js';

/** Headers in which proxies state the address of their peer; several of one name are joined by commas. */
export interface ForwardingHeaders {
  /** RFC 7239. */
  readonly forwarded?: string | undefined;
  readonly xForwardedFor?: string | undefined;
}

type Trusted = Pick<TrustedProxies, 'includes'>;

/**
 * The canonical client address of a request; `peer` is the other end of the connection. Each proxy appends the address of its peer, so
 * the headers are read from their end while a trusted proxy wrote the entry. An entry without an address (`unknown`, an obfuscated
 * identifier, malformed) ends this: the proxy that wrote it is the last known hop.
 *
 * A proxy that writes one of the two headers forwards the other as its client sent it. If both name a client, they must agree; otherwise
 * both are ignored and the peer is the client.
 */
export function clientAddress(peer: string, { forwarded, xForwardedFor }: ForwardingHeaders, trusted: Trusted): string {
  if (!trusted.includes(peer)) return peer;
  const byForwarded =
    forwarded === undefined ? null : firstUntrusted(peer, elementsFromEnd(forwarded), forwardedNode, trusted);
  const byXForwardedFor =
    xForwardedFor === undefined
      ? null
      : firstUntrusted(peer, xForwardedFor.split(',').reverse(), (entry) => entry, trusted);
  if (byForwarded !== null && byXForwardedFor !== null && byForwarded !== byXForwardedFor) return peer;
  return byForwarded ?? byXForwardedFor ?? peer;
}

function firstUntrusted(
  peer: string,
  entries: Iterable<string>,
  nodeOf: (entry: string) => string | null,
  trusted: Trusted,
): string {
  let hop = peer;
  for (const entry of entries) {
    const text = entry.trim();
    if (text === '') continue; // a list may have empty elements
    const address = nodeAddress(nodeOf(text) ?? '');
    if (address === null) return hop;
    hop = address;
    if (!trusted.includes(hop)) return hop;
  }
  return hop;
}

/** The elements of a `Forwarded` header from the last to the first; commas within quotes do not separate. */
function* elementsFromEnd(header: string): Generator<string> {
  const parts = header.split(',');
  let end = parts.length;
  let quotes = 0;
  for (let at = parts.length - 1; at >= 0; at -= 1) {
    quotes += parts[at]?.match(/\\.|"/g)?.filter((found) => found === '"').length ?? 0;
    if (quotes % 2 === 1) continue;
    yield parts.slice(at, end).join(',');
    end = at;
    quotes = 0;
  }
  yield parts.slice(0, end).join(',');
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const PAIR = `(${TOKEN})=(${TOKEN}|${QUOTED})`;
const ELEMENT = new RegExp(`^(?:${PAIR})?(?:[ \\t]*;(?:[ \\t]*${PAIR})?)*[ \\t]*$`);
const PAIRS = new RegExp(PAIR, 'g');

/** The value of the parameter `for` of an element; null if the element is malformed or does not have exactly one. */
function forwardedNode(element: string): string | null {
  if (!ELEMENT.test(element)) return null;
  const nodes = [...element.matchAll(PAIRS)]
    .filter(([, name]) => name?.toLowerCase() === 'for')
    .map(([, , value = '']) => value);
  const [node] = nodes;
  if (nodes.length !== 1 || node === undefined) return null;
  return node.startsWith('"') ? node.slice(1, -1).replace(/\\(.)/g, '$1') : node;
}

/** The canonical address of `192.0.2.7`, `192.0.2.7:443`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:443`; null for anything else. */
function nodeAddress(node: string): string | null {
  const [, bracketed] = /^\[([^\]]*)\](?::[\w.-]+)?$/.exec(node) ?? [];
  if (bracketed !== undefined) return bracketed.includes(':') ? canonicalAddress(bracketed) : null;
  const [, dotted] = /^([\d.]+):[\w.-]+$/.exec(node) ?? [];
  return canonicalAddress(dotted ?? node);
}

/** The header in which trusted proxies state the address of their peer. */
export type ProxyHeader = ProxySettings['proxyHeader'];

/** Determines the client address of each request, for limits, events, conflicts and entries. */
export class ClientAddresses {
  /** Clients named by the PROXY protocol, by the addresses of the connection: TLS creates another socket for it. */
  private readonly clientByConnection = new Map<string, string>();

  constructor(
    private readonly trusted: Trusted,
    private readonly header: ProxyHeader,
  ) {}

  ofRequest({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    return this.of(socket, { forwarded: headers['forwarded'], xForwardedFor: headers['x-forwarded-for']?.toString() });
  }

  /** The client of a request on this connection. */
  of(socket: Socket, { forwarded, xForwardedFor }: ForwardingHeaders): string {
    const { address, isTrusted } = this.ofPeer(socket);
    if (!isTrusted) return address;
    const trustedHeaders = {
      forwarded: this.header === 'x-forwarded-for' ? undefined : forwarded,
      xForwardedFor: this.header === 'forwarded' ? undefined : xForwardedFor,
    };
    return clientAddress(address, trustedHeaders, this.trusted);
  }

  /** The peer of a connection, or the client that the PROXY protocol names instead. Must first be called while the connection is open. */
  ofPeer(socket: Socket): Peer {
    return (connectionState(socket).peer ??= this.peer(
      this.clientByConnection.get(connectionKey(socket)) ??
        canonicalAddress((socket.remoteAddress ?? '').replace(/%.*/, '')) ??
        '0.0.0.0',
    ));
  }

  /** Records the client that a trusted proxy names for its connection. */
  setClient(socket: Socket, address: string): void {
    const key = connectionKey(socket);
    this.clientByConnection.set(key, address);
    connectionState(socket).peer = this.peer(address);
    socket.once('close', () => this.clientByConnection.delete(key));
  }

  private peer(address: string): Peer {
    return { address, isTrusted: this.trusted.includes(address) };
  }
}

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ProxySettings, TrustedProxies } from '@app/platform';
import { canonicalAddress } from '@app/api-contract';
import { connectionKey } from './connection-key.js';
import { connectionState, type Peer } from './connection-state.js';

/** The headers in which proxies state the addresses that they were called from; several of one name are joined by commas. */
export interface ForwardingHeaders {
  /** RFC 7239. */
  readonly forwarded?: string | undefined;
  readonly xForwardedFor?: string | undefined;
}

type Trusted = Pick<TrustedProxies, 'includes'>;

/**
 * The address of the client that a request comes from, canonical; `peer` is the other end of the connection. Each proxy appends
 * the address that it was called from, so the headers are read from their end for as long as a trusted proxy wrote the entry. An
 * entry without an address (`unknown`, an obfuscated identifier, malformed) ends that: the proxy that wrote it is the last known hop.
 *
 * A proxy that writes one of the two headers passes on what a client sent in the other. Where both name a client they must
 * agree; otherwise neither is believed and the peer is the client.
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

/** What the parameter `for` of an element says; null when the element is malformed or says it not exactly once. */
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

/** The header in which trusted proxies state the addresses that they were called from. */
export type ProxyHeader = ProxySettings['proxyHeader'];

/** Decides for each request from which address it comes: limits, events, conflicts and entries all have it from here. */
export class ClientAddresses {
  /** The clients that the PROXY protocol names, by the ends of their connections: TLS makes another socket of each. */
  private readonly clientByConnection = new Map<string, string>();

  constructor(
    private readonly trusted: Trusted,
    private readonly header: ProxyHeader,
  ) {}

  ofRequest({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    return this.of(socket, { forwarded: headers['forwarded'], xForwardedFor: headers['x-forwarded-for']?.toString() });
  }

  /** Of a request on this connection. */
  of(socket: Socket, { forwarded, xForwardedFor }: ForwardingHeaders): string {
    const { address, isTrusted } = this.ofPeer(socket);
    if (!isTrusted) return address;
    const trustedHeaders = {
      forwarded: this.header === 'x-forwarded-for' ? undefined : forwarded,
      xForwardedFor: this.header === 'forwarded' ? undefined : xForwardedFor,
    };
    return clientAddress(address, trustedHeaders, this.trusted);
  }

  /** The other end of a connection, or whom the PROXY protocol names in its place; to be asked first while the connection is open. */
  ofPeer(socket: Socket): Peer {
    return (connectionState(socket).peer ??= this.peer(
      this.clientByConnection.get(connectionKey(socket)) ??
        canonicalAddress((socket.remoteAddress ?? '').replace(/%.*/, '')) ??
        '0.0.0.0',
    ));
  }

  /** A trusted proxy names the client of its connection. */
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

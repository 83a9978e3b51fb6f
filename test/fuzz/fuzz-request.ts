export type Header = readonly [name: string, value: string];

/** One request, as far as its answer is judged by it. */
export interface FuzzRequest {
  readonly number: number;
  readonly kind: 'valid' | 'nearly' | 'hostile';
  /** What was done to it, for whoever reads of its failure. */
  readonly what: string;
  readonly caller: string;
  /** What its caller may do, as `openapi.json` names permissions. */
  readonly may: readonly string[];
  /** Its credential was of an earlier generation when it was made. */
  readonly isRetired: boolean;
  readonly method: string;
  /** Path and query, as they go over the wire. */
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: Buffer | null;
  /** The process server whose genuine credential it carries. */
  readonly credentialOf?: { readonly hostId: string; readonly generation: number };
  /** Goes over a bare socket, as these bytes, instead of all that is said above. */
  readonly wire?: Wire;
}

export interface Wire {
  readonly bytes: Buffer;
  /** Answers to wait for before the connection is ended. */
  readonly responses: number;
  /** What becomes of a connection that has no answer: `ends` sends its FIN, `breaks` resets it, `stays` waits for the server. */
  readonly then: 'ends' | 'breaks' | 'stays';
}

export interface FuzzResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The bytes of a request that no client would send. */
export function bytesOf(
  { method, target, headers, body }: Pick<FuzzRequest, 'method' | 'target' | 'headers' | 'body'>,
  more: readonly Header[] = [
    ['host', 'site'],
    ['connection', 'close'],
  ],
): Buffer {
  const length: readonly Header[] = body ? [['content-length', String(body.length)]] : [];
  const head = [
    `${method} ${target} HTTP/1.1`,
    ...[...more, ...headers, ...length].map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head), body ?? Buffer.alloc(0)]);
}

const MAX_SHOWN_LENGTH = 4_000;

/** Its bytes, so that it can be sent again: `printf '<this>' | nc …`. */
export function shown({ wire, ...request }: FuzzRequest): string {
  const bytes = (wire?.bytes ?? bytesOf(request)).toString('latin1');
  const text = JSON.stringify(
    bytes.length > MAX_SHOWN_LENGTH ? `${bytes.slice(0, MAX_SHOWN_LENGTH)}… (${bytes.length} bytes)` : bytes,
  );
  return `request ${request.number} (${request.kind}: ${request.what}; caller: ${request.caller}${wire ? `; then the connection ${wire.then}` : ''})\n    ${text}`;
}

export type Header = readonly [name: string, value: string];

/** One request, with what is needed to check its response. */
export interface FuzzRequest {
  readonly number: number;
  readonly kind: 'valid' | 'near_valid' | 'malicious';
  /** Describes the mutation, for the report of a failure. */
  readonly what: string;
  readonly caller: string;
  /** The permissions of its caller, as named in `openapi.json`. */
  readonly permissions: readonly string[];
  /** Its credential was of an earlier generation when the request was generated. */
  readonly isRetired: boolean;
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: Buffer | null;
  /** The process server whose genuine credential it has. */
  readonly credentialOf?: { readonly hostId: string; readonly generation: number };
  /** Sent over a plain socket as these bytes, instead of the fields above. */
  readonly wire?: Wire;
}

export interface Wire {
  readonly bytes: Buffer;
  /** Responses to wait for before the connection is ended. */
  readonly responses: number;
  /** The fate of a connection without a response: `ends` sends its FIN, `breaks` resets it, `stays` waits for the server. */
  readonly then: 'ends' | 'breaks' | 'stays';
}

export interface FuzzResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** The bytes of a request that no HTTP client would send. */
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

/** The bytes of the request for repeating it: `printf '<this>' | nc …`. */
export function shown({ wire, ...request }: FuzzRequest): string {
  const bytes = (wire?.bytes ?? bytesOf(request)).toString('latin1');
  const text = JSON.stringify(
    bytes.length > MAX_SHOWN_LENGTH ? `${bytes.slice(0, MAX_SHOWN_LENGTH)}… (${bytes.length} bytes)` : bytes,
  );
  return `request ${request.number} (${request.kind}: ${request.what}; caller: ${request.caller}${wire ? `; then the connection ${wire.then}` : ''})\n    ${text}`;
}

import { connect, type Socket } from 'node:net';
import { Pool, type Dispatcher } from 'undici';
import { bytesOf, type FuzzResponse, type FuzzRequest, type Wire } from './fuzz-request.js';

/** The time limit of every response. */
const RESPONSE_TIMEOUT_MS = 30_000;
const MAX_BODY_BYTES = 65_536;
/** The time for a response on a connection before the client resets it. */
const BREAK_AFTER_MS = 5;

export class RequestTimeout extends Error {}
/** The server rejected the request before the end of the body, and the connection ended within the response. */
export class ResponseCutShort extends Error {}

/** Requests that undici refuses to send. Its pool would treat the refusal as a full connection, and never use that one again. */
const isRejectedByClient = ({ method, target, headers }: FuzzRequest): boolean =>
  method === 'CONNECT' ||
  !/^\/[\x21-\xff]*$/.test(target) ||
  headers.some(([, value]) => !/^[\t\x20-\x7e\x80-\xff]*$/.test(value));

/** Sends requests to one replica: by an HTTP client, or as raw bytes. */
export class RequestSender {
  private readonly pool: Pool;
  private readonly port: number;
  private readonly sockets = new Set<Socket>();

  constructor(url: string, inFlight: number) {
    this.port = Number(new URL(url).port);
    this.pool = new Pool(url, { connections: inFlight, pipelining: 1 });
  }

  /** All responses: exactly one for a well-formed request. */
  async responsesTo(request: FuzzRequest): Promise<FuzzResponse[]> {
    const { method, wire } = request;
    if (wire) return this.overSocket(wire, method);
    if (isRejectedByClient(request))
      return this.overSocket({ bytes: bytesOf(request), responses: 1, then: 'ends' }, method);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>(
      (_resolve, reject) =>
        (timer = setTimeout(
          () => reject(new RequestTimeout(`no response within ${RESPONSE_TIMEOUT_MS / 1000} s`)),
          RESPONSE_TIMEOUT_MS,
        )),
    );
    try {
      return [await Promise.race([this.byClient(request), late])];
    } catch (error) {
      if (
        (request.body?.length ?? 0) > MAX_BODY_BYTES &&
        /^(ECONNRESET|EPIPE|UND_ERR_SOCKET)$/.test((error as { code?: string }).code ?? '')
      )
        throw new ResponseCutShort();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private async byClient({ method, target, headers, body }: FuzzRequest): Promise<FuzzResponse> {
    const response = await this.pool.request({
      method: method as Dispatcher.HttpMethod,
      path: target,
      headers: headers.flat(),
      body,
    });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  }

  private overSocket({ bytes, responses: expectedCount, then }: Wire, method: string): Promise<FuzzResponse[]> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
      this.sockets.add(socket);
      let received = Buffer.alloc(0);
      const late = setTimeout(() => {
        socket.destroy();
        reject(
          new RequestTimeout(
            `no end of the connection within ${RESPONSE_TIMEOUT_MS / 1000} s, after ${JSON.stringify(received.toString('latin1', 0, 200))}`,
          ),
        );
      }, RESPONSE_TIMEOUT_MS);
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk]);
        if (parseResponses(received, method).length >= expectedCount) socket.end();
      });
      socket.on('end', () => socket.end());
      socket.on('error', () => undefined); // the server may reset a connection that it has answered
      socket.on('close', () => {
        clearTimeout(late);
        this.sockets.delete(socket);
        resolve(parseResponses(received, method));
      });
      socket.write(bytes, () => {
        if (then === 'ends') socket.end();
        else if (then === 'breaks') setTimeout(() => socket.resetAndDestroy(), BREAK_AFTER_MS);
      });
    });
  }

  async close(): Promise<void> {
    await this.pool.destroy();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Parses the complete responses in these bytes. */
function parseResponses(received: Buffer, method: string): FuzzResponse[] {
  const responses: FuzzResponse[] = [];
  let at = 0;
  for (;;) {
    const headEnd = received.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return responses;
    const [statusLine = '', ...lines] = received.toString('latin1', at, headEnd).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    const status = Number(statusLine.split(' ')[1]);
    const length = method === 'HEAD' || status === 304 || status < 200 ? 0 : Number(headers['content-length'] ?? 0);
    at = headEnd + 4 + length;
    if (at > received.length) return responses;
    if (status >= 200) responses.push({ status, headers, text: received.toString('utf8', at - length, at) });
  }
}

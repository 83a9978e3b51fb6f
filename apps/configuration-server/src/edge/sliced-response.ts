import { ServerResponse } from 'node:http';
import { connectionState } from './connection-state.js';

/** With TLS, each slice is copied completely; a client that reads makes progress with each slice. */
const SLICE_BYTES = 32 * 1024;

/** The response class of every request. A long body is written in slices, each after the previous one is read; unread responses are counted. */
export class SlicedResponse extends ServerResponse {
  private rest: Buffer = Buffer.alloc(0);
  /** Memory of this response alone; a Buffer, such as the OpenAPI document, is shared. */
  private ownBytes = 0;

  override write(chunk: unknown, encoding?: unknown, done?: unknown): boolean {
    const canContinue = super.write(chunk, encoding as BufferEncoding, done as () => void);
    if (!canContinue && this.reportUnread())
      this.once('drain', () => connectionState(this.req.socket).pipeline?.markRead(this));
    return canContinue;
  }

  override end(body?: unknown, encoding?: unknown, done?: unknown): this {
    const isLong =
      (typeof body === 'string' || Buffer.isBuffer(body)) && body.length > SLICE_BYTES && this.req.method !== 'HEAD';
    if (isLong) {
      this.rest = typeof body === 'string' ? Buffer.from(body) : body;
      this.ownBytes = typeof body === 'string' ? this.rest.length : 0;
      this.writeRest();
    } else {
      super.end(body, encoding as BufferEncoding, done as () => void);
      this.reportUnread();
    }
    return this;
  }

  private writeRest(): void {
    while (this.rest.length > SLICE_BYTES) {
      const slice = this.rest.subarray(0, SLICE_BYTES);
      this.rest = this.rest.subarray(SLICE_BYTES);
      if (!this.write(slice)) return void this.once('drain', () => this.writeRest());
    }
    super.end(this.rest);
    this.reportUnread();
  }

  /** Whether a part of the response is unread. */
  private reportUnread(): boolean {
    const unreadBytes = this.writableLength;
    if (unreadBytes > 0) connectionState(this.req.socket).pipeline?.markUnread(this, unreadBytes + this.ownBytes);
    return unreadBytes > 0;
  }
}

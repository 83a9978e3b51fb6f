import { once } from 'node:events';
import type { Writable } from 'node:stream';

/**
 * Standard output of a program. A reader that closes the pipe, as `head` does, is no error: `isClosed` then ends the work.
 * Every write waits until the reader has taken the earlier ones, so that output of any length needs bounded memory.
 */
export class OutputStream {
  isClosed = false;

  constructor(private readonly stream: Writable) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      this.isClosed = true;
    });
  }

  async write(text: string | Uint8Array): Promise<void> {
    if (this.isClosed || this.stream.write(text)) return;
    // 'close' too, because a stream whose reader is gone never drains.
    const ended = new AbortController();
    const { signal } = ended;
    await Promise.race([once(this.stream, 'drain', { signal }), once(this.stream, 'close', { signal })]).catch(
      () => undefined,
    );
    ended.abort();
  }
}

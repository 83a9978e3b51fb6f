import { Readable } from 'node:stream';
import type { ByteRange } from '../edge/byte-range.js';
import type { OpenPackage } from './package-directory.js';

const CHUNK_BYTES = 64 * 1024;

interface StreamOptions {
  /** The stream is destroyed if nothing is read from it for this long. */
  readonly maxUnreadMs: number;
  /** Called once, when the stream is closed. */
  readonly onClosed: () => void;
}

/** A part of a package. It reads one chunk at a time, and ends with an error if the file changes, so that the response stays incomplete. */
export class PackageStream extends Readable {
  private position: number;
  private unread: NodeJS.Timeout | undefined;

  constructor(
    private readonly file: OpenPackage,
    private readonly range: ByteRange,
    private readonly options: StreamOptions,
  ) {
    super({ highWaterMark: 0 }); // no read-ahead
    this.position = range.first;
    this.restartReadTimeout();
  }

  override _read(): void {
    clearTimeout(this.unread);
    if (this.position > this.range.last) return void this.push(null);
    this.nextChunk().then(
      (chunk) => {
        this.restartReadTimeout();
        this.push(chunk);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.unread);
    this.options.onClosed();
    this.file.handle.close().then(() => done(error), done);
  }

  private async nextChunk(): Promise<Buffer> {
    const { handle, sizeBytes, modifiedAtNs } = this.file;
    const length = Math.min(CHUNK_BYTES, this.range.last + 1 - this.position);
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, this.position);
    const { size, mtimeNs } = await handle.stat({ bigint: true });
    if (bytesRead === 0 || Number(size) !== sizeBytes || mtimeNs !== modifiedAtNs)
      throw new Error('the package changed while it was sent');
    this.position += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  private restartReadTimeout(): void {
    if (this.destroyed) return;
    this.unread = setTimeout(() => this.destroy(new Error('the package was not read')), this.options.maxUnreadMs);
  }
}

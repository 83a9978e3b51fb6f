import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '@app/platform';

/** A link is not followed, and opening a FIFO does not wait for its writer. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CHUNK_BYTES = 64 * 1024;
/** A second attempt is for a file that was replaced while it was read. */
const MAX_ATTEMPTS = 2;

/** What the catalogue says about a package. */
export interface ExpectedPackage {
  readonly packageFile: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** A regular file, opened. The caller closes it. */
export interface OpenPackage {
  readonly handle: FileHandle;
  readonly sizeBytes: number;
  readonly modifiedAtNs: bigint;
}

/** Why a package cannot be used; `not_measured` is temporary. */
export type PackageFault = 'no_directory' | 'not_found' | 'not_a_file' | 'size' | 'sha256' | 'not_measured';

export class PackageError extends Error {
  constructor(
    readonly fault: PackageFault,
    /** The size or the SHA-256 of the file, where it is another than in the catalogue. */
    readonly found: string = '',
  ) {
    super(fault);
  }
}

const FAULT_BY_ERROR: Readonly<Record<string, PackageFault>> = {
  ENOENT: 'not_found',
  ENOTDIR: 'not_found',
  ELOOP: 'not_a_file', // a link
  ENXIO: 'not_a_file', // a socket
  EACCES: 'not_a_file',
};

/** The content of a file that was read completely; valid as long as the file has this identity. */
interface Measured {
  readonly identity: string;
  readonly sha256: string;
}

/**
 * The directory of packages. The SHA-256 of a file is computed once, and again after the file has changed, so that a response never begins
 * with content that is not the released one.
 */
export class PackageDirectory {
  private readonly measured = new Map<string, Measured>();
  private readonly measuring = new Map<string, Promise<void>>();
  /** Files are read one after another: reading many at once would slow down all other requests. */
  private last: Promise<void> = Promise.resolve();
  private isStopped = false;

  /** `path` is null if there is no directory. A call waits at most `maxWaitMs` for the SHA-256 of a file. */
  constructor(
    private readonly path: string | null,
    private readonly maxWaitMs: number,
  ) {}

  /** Opens a package that has the expected content. @throws PackageError. */
  async open({ packageFile: name, sizeBytes, sha256 }: ExpectedPackage): Promise<OpenPackage> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const file = await this.openFile(name);
      try {
        if (file.sizeBytes !== sizeBytes) throw new PackageError('size', String(file.sizeBytes));
        const known = this.measured.get(name);
        if (known?.identity === file.identity) {
          if (known.sha256 !== sha256) throw new PackageError('sha256', known.sha256);
          return file;
        }
      } catch (error) {
        await file.handle.close();
        throw error;
      }
      await file.handle.close();
      await this.waitUntilMeasured(name);
    }
    throw new PackageError('not_measured');
  }

  /** Stops reading files. */
  stop(): void {
    this.isStopped = true;
  }

  private async openFile(name: string): Promise<OpenPackage & { readonly identity: string }> {
    if (this.path === null) throw new PackageError('no_directory');
    const handle = await open(join(this.path, name), OPEN_FLAGS).catch((error: unknown) => {
      const fault = FAULT_BY_ERROR[String(errorCode(error))];
      throw fault ? new PackageError(fault) : error;
    });
    try {
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile()) throw new PackageError('not_a_file');
      const { dev, ino, size, mtimeNs, ctimeNs } = stat;
      const identity = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
      return { handle, sizeBytes: Number(size), modifiedAtNs: mtimeNs, identity };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private async waitUntilMeasured(name: string): Promise<void> {
    let measuring = this.measuring.get(name);
    if (!measuring) {
      measuring = this.last.then(() => this.measure(name));
      this.measuring.set(name, measuring);
      this.last = measuring.catch(() => undefined).finally(() => this.measuring.delete(name));
    }
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new PackageError('not_measured')), this.maxWaitMs);
    });
    await Promise.race([measuring, timeout]).finally(() => clearTimeout(timer));
  }

  private async measure(name: string): Promise<void> {
    const { handle, sizeBytes, identity } = await this.openFile(name);
    try {
      const hash = createHash('sha256');
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let position = 0; position < sizeBytes;) {
        const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
        if (bytesRead === 0 || this.isStopped) return;
        hash.update(chunk.subarray(0, bytesRead));
        position += bytesRead;
      }
      this.measured.set(name, { identity, sha256: hash.digest('hex') });
    } finally {
      await handle.close();
    }
  }
}

import { hash, randomBytes } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { Identifiers, Randomness } from '@app/fleet';

const FRACTION_BYTES = 6;
const UUID_BYTES = 16;
const POOL_BYTES = 4_096;

/** Random bytes of the operating system, drawn for many uses at once: a draw of 4 KiB costs little more than one of 32 bytes. */
export class RandomBytePool {
  private pool = Buffer.alloc(0);
  private used = 0;

  /** Bytes that nobody else is given. @throws RangeError beyond 4,096. */
  next(bytes: number): Buffer {
    if (bytes > POOL_BYTES) throw new RangeError(`${bytes} bytes are more than are drawn at once`);
    if (this.used + bytes > this.pool.length) {
      this.pool = randomBytes(POOL_BYTES);
      this.used = 0;
    }
    this.used += bytes;
    return this.pool.subarray(this.used - bytes, this.used);
  }
}

/** Randomness of the operating system. */
export class SystemRandomness extends Randomness {
  private readonly bytes = new RandomBytePool();

  random(): number {
    return this.bytes.next(FRACTION_BYTES).readUIntBE(0, FRACTION_BYTES) / 2 ** (8 * FRACTION_BYTES);
  }
}

/** Ids of one process and one millisecond sort in the order in which they were made. */
export class UuidIdentifiers extends Identifiers {
  private readonly bytes = new RandomBytePool();
  private sequence = this.bytes.next(3).readUIntBE(0, 3);

  newId(time: Date): string {
    this.sequence = (this.sequence + 1) >>> 0;
    return uuidV7({ msecs: time.getTime(), seq: this.sequence, random: this.bytes.next(UUID_BYTES) });
  }

  deterministicId(key: string): string {
    const digits = hash('sha256', key, 'hex');
    return `f${digits.slice(1, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
  }

  digest(text: string): string {
    return hash('sha256', text, 'hex').slice(0, 32);
  }
}

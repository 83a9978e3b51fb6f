import { hash, randomBytes } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { Identifiers, Randomness } from '@app/fleet';

const FRACTION_BYTES = 6;
const FRACTIONS_AT_ONCE = 512;

/** Randomness of the operating system, drawn for many fractions at once. */
export class SystemRandomness extends Randomness {
  private drawn = Buffer.alloc(0);
  private used = 0;

  fraction(): number {
    if (this.used >= this.drawn.length) {
      this.drawn = randomBytes(FRACTION_BYTES * FRACTIONS_AT_ONCE);
      this.used = 0;
    }
    const number = this.drawn.readUIntBE(this.used, FRACTION_BYTES);
    this.used += FRACTION_BYTES;
    return number / 2 ** (8 * FRACTION_BYTES);
  }
}

/** Ids of one process and one millisecond sort in the order in which they were made. */
export class UuidIdentifiers extends Identifiers {
  private sequence = randomBytes(3).readUIntBE(0, 3);

  at(instant: Date): string {
    this.sequence = (this.sequence + 1) >>> 0;
    return uuidV7({ msecs: instant.getTime(), seq: this.sequence });
  }

  forKey(key: string): string {
    const digits = hash('sha256', key, 'hex');
    return `f${digits.slice(1, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
  }

  digest(text: string): string {
    return hash('sha256', text, 'hex').slice(0, 32);
  }
}

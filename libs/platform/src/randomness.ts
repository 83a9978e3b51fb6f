import { hash, randomBytes, randomInt } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { Identifiers, Randomness } from '@app/fleet';

/** The largest range that `randomInt` takes. */
const MAX_RANGE = 2 ** 48 - 1;

/** Randomness of the operating system. */
export class SystemRandomness extends Randomness {
  random(): number {
    return randomInt(MAX_RANGE) / MAX_RANGE;
  }
}

/**
 * Ids of one process sort in the order of their creation, also within a millisecond. A sequence distinguishes them, and
 * a random part, drawn once, distinguishes processes: drawing one for each id would cost 4 % of a registration.
 */
export class UuidIdentifiers extends Identifiers {
  private sequence = randomInt(2 ** 24);
  private readonly random = randomBytes(16);

  newId(time: Date): string {
    this.sequence = (this.sequence + 1) >>> 0;
    return uuidV7({ msecs: time.getTime(), seq: this.sequence, random: this.random });
  }

  deterministicId(key: string): string {
    const digits = hash('sha256', key, 'hex');
    return `f${digits.slice(1, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
  }

  digest(text: string): string {
    return hash('sha256', text, 'hex').slice(0, 32);
  }
}

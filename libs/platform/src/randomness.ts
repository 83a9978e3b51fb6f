import { randomBytes } from 'node:crypto';
import { v5 as uuidV5, v7 as uuidV7 } from 'uuid';
import { Identifiers, Randomness } from '@app/fleet';

const KEYED_IDENTIFIERS = 'b1b1c6de-6f0a-4d3b-9c55-1f0f4f4c7a51';

/** Randomness of the operating system. */
export class SystemRandomness extends Randomness {
  fraction(): number {
    return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
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
    return uuidV5(key, KEYED_IDENTIFIERS);
  }
}

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

export class UuidIdentifiers extends Identifiers {
  at(instant: Date): string {
    return uuidV7({ msecs: instant.getTime() });
  }

  forKey(key: string): string {
    return uuidV5(key, KEYED_IDENTIFIERS);
  }
}

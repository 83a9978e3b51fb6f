import { readFileSync } from 'node:fs';

/** For the database, files and the log. */
const RESERVED_DESCRIPTORS = 256;

/** Sockets that this process may have open at once; unbounded where the machine does not tell (only Linux does). */
export function maxOpenSockets(): number {
  try {
    const [, soft = ''] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === '' ? Infinity : Math.max(1, Number(soft) - RESERVED_DESCRIPTORS);
  } catch {
    return Infinity;
  }
}

import { readFileSync } from 'node:fs';

/** Reserved for the database, files and the log. */
const RESERVED_DESCRIPTORS = 256;

/** The maximum number of open sockets of this process; unlimited where the system does not report it (only Linux does). */
export function maxOpenSockets(): number {
  try {
    const [, soft = ''] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === '' ? Infinity : Math.max(1, Number(soft) - RESERVED_DESCRIPTORS);
  } catch {
    return Infinity;
  }
}

import { LARGEST_GENERATION, type RemovalRecord } from '@app/fleet';
import { canonicalHostId } from '@app/wire';

const CHANGES: readonly unknown[] = ['purge', 'clean_up', 'registered'] satisfies RemovalRecord['change'][];

/** As it is written to a file: one JSON object. */
export const removalLine = (record: RemovalRecord): string => `${JSON.stringify(record)}\n`;

const textIn = (value: unknown, most: number): string => (typeof value === 'string' ? value.slice(0, most) : '');

/** Null where the line is no record: torn by a crash, or written by hand. */
export function removalRecordIn(line: string): RemovalRecord | null {
  try {
    const { siteId, hostId, generation, change, friendlyName, ipAddress, at, by, reason } = JSON.parse(line) as Record<
      string,
      unknown
    >;
    const canonical = typeof hostId === 'string' ? canonicalHostId(hostId) : null;
    const instant = new Date(String(at));
    const isGeneration =
      typeof generation === 'number' &&
      Number.isInteger(generation) &&
      generation > 0 &&
      generation <= LARGEST_GENERATION;
    if (
      typeof siteId !== 'string' ||
      !canonical ||
      !isGeneration ||
      !CHANGES.includes(change) ||
      Number.isNaN(instant.getTime())
    )
      return null;
    return {
      ...{ siteId, hostId: canonical, generation, change: change as RemovalRecord['change'] },
      ...{
        friendlyName: textIn(friendlyName, 255),
        ipAddress: textIn(ipAddress, 45),
        at: instant,
        by: textIn(by, 128),
      },
      reason: typeof reason === 'string' ? textIn(reason, 500) : null,
    };
  } catch {
    return null;
  }
}

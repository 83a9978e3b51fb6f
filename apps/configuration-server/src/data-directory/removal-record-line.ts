import { MAX_GENERATION, type RemovalRecord } from '@app/fleet';
import { canonicalHostId } from '@app/api-contract';

const CHANGES: readonly unknown[] = ['purge', 'clean_up', 'registered'] satisfies RemovalRecord['change'][];

/** One JSON object on one line. */
export const serializeRemovalRecord = (record: RemovalRecord): string => `${JSON.stringify(record)}\n`;

const truncateText = (value: unknown, maxLength: number): string =>
  typeof value === 'string' ? value.slice(0, maxLength) : '';

/** Null if the line is not a record: torn by a crash, or edited by hand. */
export function parseRemovalRecord(line: string): RemovalRecord | null {
  try {
    const { siteId, hostId, generation, change, friendlyName, ipAddress, at, by, reason } = JSON.parse(line) as Record<
      string,
      unknown
    >;
    const canonical = typeof hostId === 'string' ? canonicalHostId(hostId) : null;
    const timestamp = new Date(String(at));
    const isGeneration =
      typeof generation === 'number' && Number.isInteger(generation) && generation > 0 && generation <= MAX_GENERATION;
    if (
      typeof siteId !== 'string' ||
      !canonical ||
      !isGeneration ||
      !CHANGES.includes(change) ||
      Number.isNaN(timestamp.getTime())
    )
      return null;
    return {
      ...{ siteId, hostId: canonical, generation, change: change as RemovalRecord['change'] },
      ...{
        friendlyName: truncateText(friendlyName, 255),
        ipAddress: truncateText(ipAddress, 45),
        at: timestamp,
        by: truncateText(by, 128),
      },
      reason: typeof reason === 'string' ? truncateText(reason, 500) : null,
    };
  } catch {
    return null;
  }
}

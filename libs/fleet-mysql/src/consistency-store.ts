import { ownDoing, type Clock, type DamagedHost, type Identifiers, type Inconsistencies } from '@app/fleet';
import type { Database } from './database.js';
import { readRecords } from './host-records.js';
import { insertEvents } from './statements/events.js';
import { parametersOfReadSuspects, READ_END_OF_RANGE, READ_SUSPECTS } from './statements/hosts.js';
import { INSERT_TALLY, READ_TALLY_DIFFERENCES, TAKE_TALLY, type TallyRow } from './statements/tally.js';

const LARGEST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Suspects whose rows are read in one statement. */
const READ_AT_ONCE = 100;
/** To count a million entries by an index takes a second or two on a small machine. */
const COUNT_WITHIN_MS = 30_000;
const ACTOR = 'consistency-check';

/** Looks for rows that contradict each other, without locks; each host is looked at again before it is repaired. */
export class ConsistencyStore implements Inconsistencies {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  async look(after: string, limit: number): Promise<{ damaged: DamagedHost[]; next: string | null }> {
    const [end] = await this.database.rows<{ host_id: string }>(READ_END_OF_RANGE, [after, limit - 1]);
    const upTo = end?.host_id ?? LARGEST_ID;
    const suspects = await this.database.rows<{ host_id: string }>(
      READ_SUSPECTS,
      parametersOfReadSuspects(after, upTo),
    );
    const hostIds = suspects.map(({ host_id }) => host_id).sort();
    const damaged: DamagedHost[] = [];
    for (let from = 0; from < hostIds.length; from += READ_AT_ONCE) {
      const records = await readRecords(this.database, hostIds.slice(from, from + READ_AT_ONCE));
      for (const [hostId, { damage }] of records) if (damage) damaged.push({ hostId, kinds: damage.kinds });
    }
    return { damaged, next: end ? end.host_id : null };
  }

  async repairTally(): Promise<number> {
    if ((await this.database.rows(READ_TALLY_DIFFERENCES, [], COUNT_WITHIN_MS)).length === 0) return 0;
    const eventId = this.identifiers.at(this.clock.now());
    const giveUpAt = performance.now() + COUNT_WITHIN_MS;
    return this.database.transaction(
      async (transaction) => {
        await transaction.write(TAKE_TALLY, [Buffer.from(eventId), this.clock.now()]);
        const differences = await transaction.rows<TallyRow>(READ_TALLY_DIFFERENCES);
        if (differences.length === 0) return 0; // another replica was first
        await transaction.write(INSERT_TALLY, [
          differences.map(({ version_key, decommissioned, entries }) => [version_key, decommissioned, entries]),
        ]);
        const detail = {
          found: ['tally_mismatch'],
          added: differences.map(({ version_key, decommissioned, entries }) => ({
            versionKey: version_key,
            decommissioned: decommissioned === 1,
            entries,
          })),
        };
        await insertEvents(transaction, [
          {
            id: eventId,
            at: this.clock.now(),
            kind: 'inconsistency_repaired',
            hostId: null,
            generation: null,
            ...ownDoing(ACTOR),
            detail,
          },
        ]);
        return differences.length;
      },
      { provedByEvents: [eventId], giveUpAt },
    );
  }
}

import type { Clock, DamagedHost, Identifiers, Inconsistencies } from '@app/fleet';
import type { Database } from '../database.js';
import { MAX_UUID } from '../entities/columns.js';
import { COUNTER_DELTA } from '../entities/fleet-tables.js';
import { readRecords } from './host-records.js';
import { insertEvents, systemEvent } from '../statements/events.js';
import { readSuspectsParameters, READ_END_OF_RANGE, READ_SUSPECTS } from '../statements/hosts.js';
import { READ_COUNTER_DIFFERENCES, LOCK_COUNTER_REPAIR, type CounterRow } from '../statements/counters.js';

/** Number of suspects whose rows are read in one statement. */
const READ_BATCH_SIZE = 100;
/** A count of a million entries by index takes one to two seconds on a small machine. */
const COUNT_TIMEOUT_MS = 30_000;
const ACTOR = 'consistency-check';

/** Finds rows that contradict each other, without locks. Each host is checked again before its repair. */
export class ConsistencyStore implements Inconsistencies {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  async scan(after: string, limit: number): Promise<{ damaged: DamagedHost[]; next: string | null }> {
    const [end] = await this.database.rows<{ host_id: string }>(READ_END_OF_RANGE, [after, limit - 1]);
    const upTo = end?.host_id ?? MAX_UUID;
    const suspects = await this.database.rows<{ host_id: string }>(READ_SUSPECTS, readSuspectsParameters(after, upTo));
    const hostIds = suspects.map(({ host_id }) => host_id).sort();
    const damaged: DamagedHost[] = [];
    for (let from = 0; from < hostIds.length; from += READ_BATCH_SIZE) {
      const records = await readRecords(this.database, hostIds.slice(from, from + READ_BATCH_SIZE));
      for (const [hostId, { damage }] of records) if (damage) damaged.push({ hostId, kinds: damage.kinds });
    }
    return { damaged, next: end ? end.host_id : null };
  }

  async repairCounters(): Promise<number> {
    if ((await this.database.rows(READ_COUNTER_DIFFERENCES, [], COUNT_TIMEOUT_MS)).length === 0) return 0;
    const eventId = this.identifiers.newId(this.clock.now());
    const deadline = performance.now() + COUNT_TIMEOUT_MS;
    return this.database.transaction(
      async (transaction) => {
        await transaction.write(LOCK_COUNTER_REPAIR, [Buffer.from(eventId), this.clock.now()]);
        const differences = await transaction.rows<CounterRow>(READ_COUNTER_DIFFERENCES);
        if (differences.length === 0) return 0; // another replica has repaired them
        await transaction.executeAll([COUNTER_DELTA.insert(differences)]);
        const detail = {
          found: ['counter_mismatch'],
          added: differences.map(({ version_key, os_key, decommissioned, entries }) => ({
            versionKey: version_key,
            osKey: os_key,
            decommissioned: decommissioned === 1,
            entries,
          })),
        };
        const event = { id: eventId, at: this.clock.now(), detail };
        await insertEvents(transaction, [systemEvent(ACTOR, { ...event, kind: 'inconsistency_repaired' })]);
        return differences.length;
      },
      { commitProofEventIds: [eventId], deadline },
    );
  }
}

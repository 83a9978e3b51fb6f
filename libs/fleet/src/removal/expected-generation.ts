import { FleetError } from '../fleet-error.js';
import type { HostRecord } from '../process-server.js';

/**
 * What an operator decides is for the registration that he saw.
 * @throws FleetError `process_server_not_found`; `generation_superseded` when it has registered since, `generation_unknown`.
 */
export function assertExpectedGeneration(given: number, { entry, tombstone, damage }: HostRecord): void {
  if (damage?.rows.entry?.generation === given) return; // of rows that contradict each other, lists show this one
  const current = entry?.generation ?? tombstone?.generation;
  if (current === undefined) throw new FleetError({ code: 'process_server_not_found' });
  if (given < current) throw new FleetError({ code: 'generation_superseded', given, current });
  if (given > current) throw new FleetError({ code: 'generation_unknown', given, current });
}

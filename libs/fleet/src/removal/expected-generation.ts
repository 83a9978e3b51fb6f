import { FleetError } from '../fleet-error.js';
import type { HostRecord } from '../process-server.js';

/**
 * Rejects a decision of an operator who saw another registration.
 * @throws FleetError `process_server_not_found`; `generation_superseded` when it has registered since;
 * `generation_unknown`.
 */
export function assertExpectedGeneration(given: number, { entry, tombstone, damage }: HostRecord): void {
  if (damage?.rows.entry?.generation === given) return; // lists show this generation when the rows contradict each other
  const current = entry?.generation ?? tombstone?.generation;
  if (current === undefined) throw new FleetError({ code: 'process_server_not_found' });
  if (given < current) throw new FleetError({ code: 'generation_superseded', given, current });
  if (given > current) throw new FleetError({ code: 'generation_unknown', given, current });
}

import type { Moment } from '../availability/moment.js';
import type { EventAuthor, FleetEvent } from './fleet-event.js';
import { connectionStateAt, type ProcessServer } from '../process-server.js';

/** The event of an ended silence, from the last heartbeat or registration to now. */
export const silenceEnded = (
  from: Date,
  to: Date,
): Pick<FleetEvent, 'detail'> & { readonly kind: 'silence_ended' } => ({
  kind: 'silence_ended',
  detail: { from: from.toISOString(), to: to.toISOString() },
});

interface Contact extends Moment {
  readonly author: EventAuthor;
}

/** The event of the silence that a call of the process server ends; null while its lease runs, or after it was decommissioned. */
export function endedSilence(
  entry: ProcessServer | null,
  { at, availableMs, author }: Contact,
): Omit<FleetEvent, 'id' | 'at' | 'hostId'> | null {
  if (!entry || entry.decommission || connectionStateAt(availableMs, entry) === 'Connected') return null;
  const { generation, lease, registeredAt } = entry;
  return { ...silenceEnded(lease.lastHeartbeatAt ?? registeredAt, at), generation, ...author };
}

import { EVENT_KINDS, type EventKind, type FleetEvent } from '@app/fleet';
import type { EventFilter } from '@app/fleet-mysql';
import type { EventDto, ExportEventsQuery } from '@app/api-contract';
import { RequestProblem } from '../problems/request-problem.js';

export const toEventDto = ({ at, ...event }: FleetEvent): EventDto => ({ ...event, at: at.toISOString() });

function parseEventKind(text: string): EventKind {
  const kind = EVENT_KINDS.find((known) => known === text);
  if (!kind) throw RequestProblem.field('kind', `kind must be one of ${EVENT_KINDS.join(', ')}`);
  return kind;
}

/** @throws RequestProblem `validation_failed` for an unknown kind. */
export function toEventFilter({ kind, hostId, actor, from, to }: ExportEventsQuery): EventFilter {
  return {
    ...(kind !== undefined && { kind: parseEventKind(kind) }),
    ...(hostId !== undefined && { hostId: hostId.toLowerCase() }),
    ...(actor !== undefined && { actor }),
    ...(from !== undefined && { from: new Date(from) }),
    ...(to !== undefined && { to: new Date(to) }),
  };
}

import { callerAuthor, FleetError, rejectionEventKind, type Actor, type EventKind, type Registry } from '@app/fleet';
import { toProblem } from '../problems/problem-details.js';
import { CallDeadline } from './call-deadline.js';
import type { ProcessServerPrincipal } from './principal.js';

/** Maximum delay of a rejection while its event is written. */
const MAX_RECORDING_MS = 1_000;

/**
 * Records heartbeats with a genuine credential that are rejected before they are compared with a lease: without the event, nothing
 * would explain the silence of the process server.
 */
export class RejectedHeartbeatRecorder {
  constructor(private readonly registry: Pick<Registry, 'recordRejection'>) {}

  /** Records one event for each host, kind and hour; a failed write is repeated with the next rejected heartbeat. */
  async record(error: unknown, { hostId, generation }: ProcessServerPrincipal, actor: Actor): Promise<void> {
    const { code, status, detail: explanation } = toProblem(error, actor.requestId, false);
    const kind: EventKind | null =
      error instanceof FleetError
        ? rejectionEventKind(error.details)
        : status < 500
          ? 'refused_malformed_heartbeat'
          : null;
    if (!kind) return;
    const detail = { code, call: 'heartbeat', explanation };
    await new CallDeadline(MAX_RECORDING_MS)
      .within(this.registry.recordRejection({ kind, hostId, generation, ...callerAuthor(actor), detail }))
      .catch(() => undefined);
  }
}

import { callerAuthor, FleetError, rejectionEventKind, type Actor, type EventKind, type Registry } from '@app/fleet';
import { toProblem } from '../problems/problem-details.js';
import type { ProcessServerPrincipal } from '../access/principal.js';
import { waitAtMost } from '../access/wait-at-most.js';

/** A refusal is not held back for longer by a database that is slow to note it. */
const MAX_RECORDING_MS = 1_000;

/**
 * Notes heartbeats that are refused before they are compared with a lease although a genuine credential says who sent them: otherwise
 * nothing would tell why that process server looks silent.
 */
export class RejectedHeartbeatRecorder {
  constructor(private readonly registry: Pick<Registry, 'recordRejection'>) {}

  /** One event for each host, kind and hour; one that cannot be written now is written when another heartbeat is refused. */
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
    const recording = this.registry
      .recordRejection({ kind, hostId, generation, ...callerAuthor(actor), detail })
      .catch(() => undefined);
    await waitAtMost(MAX_RECORDING_MS, recording);
  }
}

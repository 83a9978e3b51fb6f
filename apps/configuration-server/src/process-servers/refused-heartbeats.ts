import { calledBy, FleetError, refusalKind, type Actor, type EventKind, type Registry } from '@app/fleet';
import { problemOf } from '../problems/problem-of.js';
import type { ProcessServerCaller } from '../access/caller.js';
import { waitAtMost } from '../access/wait-at-most.js';

/** A refusal is not held back for longer by a database that is slow to note it. */
const LONGEST_NOTE_MS = 1_000;

/**
 * Notes heartbeats that are refused before they are compared with a lease although a genuine credential says who sent them: otherwise
 * nothing would tell why that process server looks silent.
 */
export class RefusedHeartbeats {
  constructor(private readonly registry: Pick<Registry, 'noteRefusal'>) {}

  /** One event for each host, kind and hour; one that cannot be written now is written when another heartbeat is refused. */
  async note(error: unknown, { hostId, generation }: ProcessServerCaller, actor: Actor): Promise<void> {
    const { code, status, detail: explanation } = problemOf(error, actor.requestId, false);
    const kind: EventKind | null =
      error instanceof FleetError ? refusalKind(error.fault) : status < 500 ? 'refused_malformed_heartbeat' : null;
    if (!kind) return;
    const detail = { code, call: 'heartbeat', explanation };
    const noted = this.registry
      .noteRefusal({ kind, hostId, generation, ...calledBy(actor), detail })
      .catch(() => undefined);
    await waitAtMost(LONGEST_NOTE_MS, noted);
  }
}

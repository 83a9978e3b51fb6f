import type { Heartbeat, IgnoredMembers } from './heartbeat.js';

/** Merges two heartbeats of one sender into one with the same effect as both in order. */
export function mergeHeartbeats(earlier: Heartbeat, later: Heartbeat): Heartbeat {
  const given = Object.fromEntries(Object.entries(later).filter(([, value]) => value !== null));
  const combined = { ...earlier, ...given };
  const merged = earlier.withdrawn || later.withdrawn ? withWithdrawn(combined, earlier, later) : combined;
  return earlier.ignored || later.ignored ? withIgnored(merged, earlier, later) : merged;
}

function withWithdrawn(merged: Heartbeat, { withdrawn: earlier }: Heartbeat, later: Heartbeat): Heartbeat {
  const withdrawnLast = later.withdrawn ?? [];
  const withdrawn = [...new Set([...withdrawnLast, ...(earlier ?? []).filter((member) => later[member] === null)])];
  return {
    ...merged,
    ...Object.fromEntries(withdrawnLast.map((member) => [member, null])),
    withdrawn: withdrawn.length > 0 ? withdrawn : null,
  };
}

const NOTHING_IGNORED: IgnoredMembers = { fields: [], unusable: [] };

function withIgnored(merged: Heartbeat, { ignored: earlier }: Heartbeat, later: Heartbeat): Heartbeat {
  const { fields, unusable } = later.ignored ?? NOTHING_IGNORED;
  const earlierFields = (earlier?.fields ?? []).filter((field) => !isGiven(field, later));
  const earlierUnusable = (earlier?.unusable ?? []).filter((member) => later[member] === null);
  const both: IgnoredMembers = {
    fields: [...new Set([...fields, ...earlierFields])],
    unusable: [...new Set([...unusable, ...earlierUnusable])],
  };
  return { ...merged, ...Object.fromEntries(both.unusable.map((member) => [member, null])), ignored: both };
}

/** Whether a heartbeat has a usable value for a field that an earlier one reported as ignored. */
function isGiven(field: string, heartbeat: Heartbeat): boolean {
  const [member = ''] = field.split('.', 1);
  const name = member === 'sentAt' ? 'skewMs' : member;
  return Object.hasOwn(heartbeat, name) && heartbeat[name as keyof Heartbeat] !== null;
}

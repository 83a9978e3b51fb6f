import { describe, expect, it } from '@jest/globals';
import type { FleetEvent } from './fleet-event.js';
import {
  currentRefusals,
  REFUSAL_EXPLANATIONS,
  REFUSAL_KINDS,
  refusalsAmong,
  type RefusalKind,
} from './refusal-explanations.js';
import { aLease, aProcessServer, HOST_ID, msAfter, NOON } from '../testing/examples.js';

const HOUR_MS = 3_600_000;
const LAST_SEEN_MS = -120_000;
/** Registered an hour before noon as generation 3, last seen two minutes before noon. */
const SERVER = aProcessServer();

const refusal = (kind: FleetEvent['kind'], afterNoonMs: number, generation: number | null = 3): FleetEvent => ({
  id: `${kind} ${afterNoonMs}`,
  at: msAfter(NOON, afterNoonMs),
  kind,
  hostId: HOST_ID,
  generation,
  actor: 'process-server',
  sourceAddress: '192.0.2.11',
  requestId: null,
  detail: {},
});
const current = (events: readonly FleetEvent[], server = SERVER): string[] =>
  currentRefusals(server, refusalsAmong(events)).map(({ kind }) => kind);

it.each(REFUSAL_KINDS)('%s has a meaning and recommended actions', (kind) => {
  const { meaning, recommendedActions } = REFUSAL_EXPLANATIONS[kind];
  expect([meaning, recommendedActions]).toEqual([
    expect.stringMatching(/^[A-Z].*[^.]$/),
    expect.stringMatching(/^[A-Z].*\.$/),
  ]);
  expect(`${meaning} ${recommendedActions}`).not.toMatch(/by itself|nothing/i);
});

describe('currentRefusals', () => {
  it.each<[string, RefusalKind, number, number | null, boolean]>([
    ['after the last accepted heartbeat', 'refused_credential_revoked', 0, 3, true],
    [
      'up to an hour before it, because it is recorded once an hour',
      'refused_credential_rejected',
      LAST_SEEN_MS - HOUR_MS + 61_000,
      3,
      true,
    ],
    ['longer than an hour before it', 'refused_credential_rejected', LAST_SEEN_MS - HOUR_MS - 1, 3, false],
    ['of an earlier registration', 'refused_malformed_heartbeat', 0, 2, false],
    ['of an earlier registration that still sends', 'refused_generation_superseded', 0, 2, true],
    [
      'of an earlier registration that sent before the current one',
      'refused_generation_superseded',
      -HOUR_MS - 1,
      2,
      true,
    ],
    ['of a later registration', 'refused_generation_unknown', 0, 4, true],
    ['of a registration after the current one', 'refused_version', -HOUR_MS, null, true],
    ['of a registration before the current one', 'refused_version', -HOUR_MS - 1, null, false],
    ['of another machine, a day ago', 'refused_host_id_conflict', -24 * HOUR_MS, 1, true],
  ])('%s: %s at %d ms from noon, generation %j: %j', (_case, kind, afterNoonMs, generation, expected) => {
    expect(current([refusal(kind, afterNoonMs, generation)])).toEqual(expected ? [kind] : []);
  });

  it('counts from the registration while no heartbeat was accepted', () => {
    const mute = aProcessServer({ lease: aLease({ lastHeartbeatAt: null }) });
    expect(current([refusal('refused_credential_rejected', -HOUR_MS)], mute)).toEqual(['refused_credential_rejected']);
  });

  it('returns the last one of each kind in order of time', () => {
    const events = [
      refusal('refused_version', -3, null),
      refusal('refused_credential_rejected', -2),
      refusal('refused_version', -1, null),
      refusal('source_address_changed', 0),
    ];
    expect(currentRefusals(SERVER, refusalsAmong(events)).map(({ event }) => event.id)).toEqual([
      'refused_credential_rejected -2',
      'refused_version -1',
    ]);
  });
});

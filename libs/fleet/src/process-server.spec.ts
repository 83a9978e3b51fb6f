import { expect, it } from '@jest/globals';
import { connectionStateAt, lifecycleOf } from './process-server.js';
import { aLease, aDecommissionedServer, aProcessServer, AVAILABLE_AT_NOON } from './testing/examples.js';

it.each([
  [-60_000, 'Connected'],
  [-1, 'Connected'],
  [0, 'Disconnected'],
  [1, 'Disconnected'],
] as const)('a process server whose lease expired %d ms ago is %s', (overdueMs, state) => {
  const lease = aLease({ expiresAvailableMs: AVAILABLE_AT_NOON });
  expect(connectionStateAt(AVAILABLE_AT_NOON + overdueMs, { lease })).toBe(state);
});

it('is Registered until it is decommissioned', () => {
  expect(lifecycleOf(aProcessServer())).toBe('Registered');
  expect(lifecycleOf(aDecommissionedServer())).toBe('Decommissioned');
});

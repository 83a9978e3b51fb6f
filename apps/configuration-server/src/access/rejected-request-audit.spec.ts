import { describe, expect, it } from '@jest/globals';
import type { EventKind } from '@app/fleet';
import type { RateLimitedLog } from '../edge/rate-limited-log.js';
import type { AuthenticatedRequest } from './principal.js';
import { RejectedRequestAudit } from './rejected-request-audit.js';

const aRequest = (over: object): AuthenticatedRequest =>
  ({
    id: 'r',
    method: 'GET',
    routeOptions: { url: '/v1/process-servers/:hostId' },
    params: {},
    clientAddress: '192.0.2.1',
    ...over,
  }) as AuthenticatedRequest;

function setUp(): {
  audit: RejectedRequestAudit;
  kinds: EventKind[];
  advance: (ms: number) => void;
  isDatabaseDown: { now: boolean };
} {
  const [kinds, isDatabaseDown] = [[] as EventKind[], { now: false }];
  let at = Date.parse('2026-01-01T00:00:00Z');
  const registry = {
    recordRejection: async ({ kind }: { kind: EventKind }): Promise<void> => {
      if (isDatabaseDown.now) throw new Error('database down');
      kinds.push(kind);
    },
  };
  const log = { warn: () => undefined } as unknown as RateLimitedLog;
  return {
    audit: new RejectedRequestAudit(registry, { now: () => new Date(at) }, log),
    kinds,
    advance: (ms) => void (at += ms),
    isDatabaseDown,
  };
}

describe('events of rejected callers', () => {
  it('are limited to 100 an hour for unknown callers with any addresses, not for known callers', async () => {
    const { audit, kinds, advance } = setUp();
    for (let caller = 0; caller < 300; caller += 1)
      await audit.record(aRequest({ clientAddress: `192.0.${caller >> 8}.${caller & 255}` }), 'api_key_rejected');
    expect([kinds.length, audit.suppressedEvents]).toEqual([100, 200]);
    await audit.record(aRequest({ presented: { keyId: 'k', keyName: 'portal' } }), 'permission_denied');
    expect(kinds.at(-1)).toBe('refused_permission_denied');
    advance(3_600_000);
    await audit.record(aRequest({}), 'api_key_rejected');
    expect(kinds).toHaveLength(102);
  });

  it('are recorded once for an IPv6 network and kind', async () => {
    const { audit, kinds } = setUp();
    for (const clientAddress of ['2001:db8::1', '2001:db8::2'])
      for (const code of ['api_key_rejected', 'passphrase_rejected'])
        await audit.record(aRequest({ clientAddress }), code);
    expect(kinds).toEqual(['refused_api_key_rejected', 'refused_passphrase_rejected']);
  });

  it('are written after a database outage, and not for other problems', async () => {
    const { audit, kinds, isDatabaseDown } = setUp();
    isDatabaseDown.now = true;
    for (let attempt = 0; attempt < 101; attempt += 1) await audit.record(aRequest({}), 'api_key_rejected');
    isDatabaseDown.now = false;
    for (const code of ['validation_failed', 'none', 'api_key_rejected', 'api_key_rejected'])
      await audit.record(aRequest({}), code);
    expect(kinds).toEqual(['refused_api_key_rejected']);
  });
});

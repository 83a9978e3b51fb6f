import { describe, expect, it } from '@jest/globals';
import { FleetError, instructionFor, type FleetErrorDetails, type Instruction } from './fleet-error.js';
import { NOON } from './testing/examples.js';

/** One error of each code, with the instruction of the contract; a code without a row does not compile. */
const ERRORS: Record<FleetErrorDetails['code'], [FleetErrorDetails, Instruction | null]> = {
  credential_rejected: [{ code: 'credential_rejected' }, 'ask_operator'],
  credential_revoked: [{ code: 'credential_revoked' }, 'reregister'],
  passphrase_rejected: [{ code: 'passphrase_rejected' }, 'ask_operator'],
  authentication_attempts_exceeded: [{ code: 'authentication_attempts_exceeded' }, 'ask_operator'],
  request_rate_exceeded: [{ code: 'request_rate_exceeded' }, 'retry'],
  api_key_name_taken: [{ code: 'api_key_name_taken', name: 'portal' }, null],
  api_key_rejected: [{ code: 'api_key_rejected' }, null],
  api_key_not_found: [{ code: 'api_key_not_found' }, null],
  last_admin_key: [{ code: 'last_admin_key' }, null],
  expiry_not_in_future: [{ code: 'expiry_not_in_future' }, null],
  release_not_found: [{ code: 'release_not_found' }, null],
  support_end_not_after_release: [{ code: 'support_end_not_after_release' }, null],
  release_catalogue_full: [{ code: 'release_catalogue_full', max: 1000 }, null],
  enrolment_rejected: [{ code: 'enrolment_rejected' }, 'ask_operator'],
  enrolment_unknown_site: [{ code: 'enrolment_unknown_site' }, 'ask_operator'],
  enrolment_expired: [{ code: 'enrolment_expired', enrolmentId: 'e', expiredAt: NOON }, 'ask_operator'],
  enrolment_revoked: [{ code: 'enrolment_revoked', enrolmentId: 'e', revokedAt: NOON }, 'ask_operator'],
  enrolment_used_up: [{ code: 'enrolment_used_up', enrolmentId: 'e', maxRegistrations: 1 }, 'ask_operator'],
  enrolment_not_found: [{ code: 'enrolment_not_found' }, null],
  expiry_too_far: [{ code: 'expiry_too_far', maxDays: 90 }, null],
  generation_retired: [{ code: 'generation_retired', removal: 'clean_up' }, 'stop'],
  generation_superseded: [{ code: 'generation_superseded', given: 3, current: 4 }, 'stop'],
  generation_unknown: [{ code: 'generation_unknown', given: 4, current: 3 }, 'reregister'],
  generations_exhausted: [{ code: 'generations_exhausted', max: 4_294_967_295 }, 'ask_operator'],
  process_server_not_found: [{ code: 'process_server_not_found' }, 'reregister'],
  host_id_conflict: [
    { code: 'host_id_conflict', registeredAddress: '192.0.2.1', otherAddress: '192.0.2.2' },
    'ask_operator',
  ],
  host_id_in_use: [
    {
      code: 'host_id_in_use',
      registeredAddress: '192.0.2.1',
      otherAddress: '192.0.2.2',
      acceptsAddress: true,
      retryAfterSeconds: 60,
    },
    'retry',
  ],
  version_newer_than_configuration_server: [
    { code: 'version_newer_than_configuration_server', upgradeFirst: 'Upgrade the configuration server first.' },
    'ask_operator',
  ],
  version_not_exact: [{ code: 'version_not_exact', upgradeFirst: 'Upgrade the process server first.' }, 'upgrade'],
  invalid_data_port: [{ code: 'invalid_data_port', dataPort: 443 }, 'ask_operator'],
  clock_in_future: [{ code: 'clock_in_future', aheadSeconds: 901 }, 'ask_operator'],
  machines_protected: [{ code: 'machines_protected', protectedMachineCount: 7 }, 'ask_operator'],
  machines_unknown: [{ code: 'machines_unknown' }, 'ask_operator'],
  reason_required: [{ code: 'reason_required' }, null],
  process_server_disconnected: [{ code: 'process_server_disconnected' }, null],
  process_server_connected: [{ code: 'process_server_connected', leaseExpiresAt: NOON }, null],
  empty_filter: [{ code: 'empty_filter' }, null],
  plan_not_found: [{ code: 'plan_not_found' }, null],
  plan_expired: [{ code: 'plan_expired', expiredAt: NOON }, null],
  plan_count_mismatch: [{ code: 'plan_count_mismatch', expected: 2, planned: 3 }, null],
  share_not_acknowledged: [{ code: 'share_not_acknowledged', candidates: 16, fleetSize: 100 }, null],
  registration_rate_exceeded: [
    { code: 'registration_rate_exceeded', of: 'new_host_ids', limit: 1000, windowSeconds: 10, retryAfterSeconds: 5 },
    'retry',
  ],
  heartbeat_rate_exceeded: [{ code: 'heartbeat_rate_exceeded', perSecond: 20, heartbeatIntervalSeconds: 30 }, 'retry'],
  heartbeat_queue_full: [{ code: 'heartbeat_queue_full' }, 'retry'],
  replica_not_ready: [{ code: 'replica_not_ready' }, 'retry'],
  database_unavailable: [{ code: 'database_unavailable' }, 'retry'],
  shutting_down: [{ code: 'shutting_down' }, 'retry'],
};

describe.each(Object.entries(ERRORS))('%s', (code, [details, instruction]) => {
  it('is listed under its own code', () => {
    expect(details.code).toBe(code);
  });

  it(`has the instruction ${instruction ?? 'none'}`, () => {
    expect(instructionFor(details)).toBe(instruction);
  });

  it('has an explanation of whole sentences', () => {
    const { explanation, message } = new FleetError(details);
    expect(explanation).toMatch(/^[A-Z0-9].*[.]$/);
    expect(explanation).not.toMatch(/undefined|NaN|\[object/);
    expect(message).toBe(code);
  });
});

describe('an explanation', () => {
  it.each([
    [{ code: 'generation_superseded', given: 3, current: 4 }, ['3', '4']],
    [{ code: 'generation_unknown', given: 9, current: 4 }, ['9', '4']],
    [
      { code: 'host_id_conflict', registeredAddress: '192.0.2.1', otherAddress: '192.0.2.2' },
      ['192.0.2.1', '192.0.2.2'],
    ],
    [
      {
        code: 'host_id_in_use',
        registeredAddress: '192.0.2.1',
        otherAddress: '192.0.2.2',
        acceptsAddress: true,
        retryAfterSeconds: 61,
      },
      ['previousCredential', 'address', '61 s'],
    ],
    [{ code: 'machines_protected', protectedMachineCount: 7 }, ['7']],
    [{ code: 'process_server_connected', leaseExpiresAt: NOON }, [NOON.toISOString()]],
    [{ code: 'plan_expired', expiredAt: NOON }, [NOON.toISOString()]],
    [{ code: 'share_not_acknowledged', candidates: 16, fleetSize: 100 }, ['16', '100', 'acknowledgeShare']],
  ] satisfies [FleetErrorDetails, string[]][])('of $code contains its details', (details, facts) => {
    for (const fact of facts) expect(new FleetError(details).explanation).toContain(fact);
  });

  it('differs between a purged and a decommissioned process server', () => {
    expect(instructionFor({ code: 'generation_retired', removal: 'purge' })).toBe('ask_operator');
    expect(new FleetError({ code: 'generation_retired', removal: 'purge' }).explanation).toContain('purged');
    expect(new FleetError({ code: 'generation_retired', removal: 'clean_up' }).explanation).toContain('decommissioned');
  });

  it('of host_id_in_use offers the source address as proof only where it is accepted, and never discloses it', () => {
    const details = {
      code: 'host_id_in_use',
      registeredAddress: '192.0.2.1',
      otherAddress: '192.0.2.2',
      acceptsAddress: false,
      retryAfterSeconds: 61,
    } as const;
    expect(new FleetError(details).explanation).not.toMatch(/address/);
    expect(new FleetError({ ...details, acceptsAddress: true }).explanation).not.toContain('192.0.2.1');
  });

  it('keeps its cause', () => {
    const cause = new Error('the socket is gone');
    expect(new FleetError({ code: 'database_unavailable' }, { cause }).cause).toBe(cause);
  });
});

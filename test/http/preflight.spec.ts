import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CreatedEnrolment, PreflightResponse } from '@app/api-contract';
import { EnrolmentTokens } from '@app/platform';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, LOOPBACK, TestCluster, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { TRUSTED_PROXIES: '127.0.0.1' } });
});
afterAll(() => cluster.close());

/** A preflight from a machine with the registered address. */
const preflight = (
  authorization: string,
  over: Record<string, unknown> = {},
  hostId: string = randomUUID(),
  source = '192.0.2.11',
): Promise<TestResponse<PreflightResponse>> =>
  cluster.call('POST', `/v1/process-servers/${hostId}/preflight`, {
    body: aRegistration(over),
    authorization,
    headers: { 'x-forwarded-for': source },
  });
const by = ({ file }: CreatedEnrolment): string => `Enrolment ${file.token}`;
const listed = ({ body }: TestResponse<PreflightResponse>): string[] =>
  body.findings.map(({ severity, code, field }) => `${severity} ${code} ${field}`);
const revoke = ({ enrolmentId }: CreatedEnrolment): Promise<TestResponse> =>
  cluster.call('DELETE', `/v1/enrolments/${enrolmentId}`, { authorization: cluster.admin });

describe('a preflight by enrolment', () => {
  it('returns its state, counts nothing, and writes nothing', async () => {
    const made = await cluster.createEnrolment();
    const before = await cluster.fingerprint();
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const response = await preflight(by(made));
      expect([response.status, response.body.wouldRegister]).toEqual([200, true]);
      expect(listed(response)).toEqual(['info enrolment_valid authorization']);
      expect(response.body.findings[0]?.message).toContain('1 of 1 registrations left');
    }
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('is accepted for a repetition of a used-up one', async () => {
    const made = await cluster.createEnrolment();
    const hostId = randomUUID();
    await cluster.register(hostId, {}, 0, by(made));
    const response = await preflight(by(made), {}, hostId, LOOPBACK);
    expect(response.body.wouldRegister).toBe(true);
    expect(listed(response)).toContain('info enrolment_valid authorization');
    expect(response.body.findings[0]?.message).toContain('not counted again');
  });

  it.each(['expired', 'revoked', 'used_up'] as const)(
    'that is %s returns an error with all findings of the request, but nothing of other host ids',
    async (state) => {
      const made = await cluster.createEnrolment({ expiresAt: cluster.after(60) });
      const { hostId } = await cluster.registered({ machineId: 'machine-2' });
      if (state === 'used_up') await cluster.register(randomUUID(), { machineId: 'machine-3' }, 0, by(made));
      const known = await preflight(cluster.passphrase, {}, hostId);
      expect(listed(known)).toEqual(expect.arrayContaining(['error host_id_conflict hostId']));
      expect(listed(known).join()).toContain('possible_duplicate');
      if (state === 'expired') await cluster.simulateOutage(60);
      if (state === 'revoked') await revoke(made);
      const before = await cluster.fingerprint();
      const response = await preflight(by(made), { cpuCores: 1, dataPort: 443 }, hostId);
      expect([response.status, response.body.wouldRegister]).toEqual([200, false]);
      expect(listed(response)).toEqual([
        `error enrolment_${state} authorization`,
        'error invalid_data_port dataPort',
        'warning below_sizing_table hardware',
      ]);
      expect(await cluster.fingerprint()).toBe(before);
    },
  );

  it('does not reserve a registration: one that is revoked afterwards registers nothing', async () => {
    const made = await cluster.createEnrolment();
    const hostId = randomUUID();
    expect((await preflight(by(made), {}, hostId)).body.wouldRegister).toBe(true);
    await revoke(made);
    expectProblem(await cluster.register(hostId, {}, 0, by(made)), 'enrolment_revoked');
    expectProblem(await cluster.read(`/v1/process-servers/${hostId}`), 'process_server_not_found');
    expect((await cluster.read(`/v1/enrolments/${made.enrolmentId}`)).body).toMatchObject({ registrations: 0 });
  });

  it('with a forged token, or one of another site, is rejected', async () => {
    const { token } = cluster.replica().http.get(EnrolmentTokens).issue(randomUUID());
    expectProblem(await preflight(`Enrolment ${token}`), 'enrolment_unknown_site');
    expectProblem(await preflight('Enrolment pse_forged'), 'enrolment_rejected');
    expectProblem(await preflight('Bearer pse_forged'), 'authentication_required');
  });
});

describe('a preflight', () => {
  it('compares the registered address with the source of the call', async () => {
    const findings = async (ipAddress: string, source: string): Promise<string[]> =>
      listed(
        await preflight(
          cluster.passphrase,
          { ipAddress, friendlyName: 'alone', machineId: 'alone' },
          undefined,
          source,
        ),
      );
    expect(await findings('192.0.2.77', '192.0.2.77')).toEqual([]);
    expect(await findings('192.0.2.77', '198.51.100.1')).toEqual(['warning address_differs_from_source ipAddress']);
    expect(await findings('127.0.0.1', '198.51.100.1')).toEqual(['warning loopback_address ipAddress']);
    expect(await findings('169.254.1.1', '169.254.1.1')).toEqual(['warning link_local_address ipAddress']);
  });

  it('returns hints for an older version and for too little memory, and the warnings of the registration are the same', async () => {
    const over = {
      agentVersion: '9.62.0.0',
      memoryBytes: 7_999_999_999,
      friendlyName: 'small',
      machineId: 'small',
      ipAddress: '192.0.2.88',
    };
    const response = await preflight(cluster.passphrase, over, undefined, '192.0.2.88');
    expect(response.body.wouldRegister).toBe(true);
    expect(listed(response)).toEqual([
      'warning below_sizing_table hardware',
      'warning memory_below_minimum memoryBytes',
      'info update_available agentVersion',
    ]);
    const { body } = await cluster.register(randomUUID(), over);
    expect(body.warnings).toEqual(response.body.findings.filter(({ severity }) => severity === 'warning'));
  });

  it('warns of a passphrase that was replaced', async () => {
    const rotation = await cluster.call('POST', '/v1/passphrases', {
      body: { overlapSeconds: 3_600 },
      authorization: cluster.admin,
    });
    expect(rotation.status).toBe(201);
    const response = await preflight(
      cluster.passphrase,
      { ipAddress: '192.0.2.99', machineId: 'm', friendlyName: 'n' },
      undefined,
      '192.0.2.99',
    );
    expect(listed(response)).toEqual(['warning passphrase_retires authorization']);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CreatedEnrolment, EnrolmentDto, ProblemCode } from '@app/api-contract';
import { EnrolmentTokens, sha256 } from '@app/platform';
import { eventually } from '../support/eventually.js';
import { expectProblem } from '../support/expect-problem.js';
import { TogglableProxy } from '../support/togglable-proxy.js';
import { TestCluster, type ProblemBody, type RegistrationBody, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());
beforeEach(() => cluster.simulateOutage(600)); // failed authentications count for ten minutes

interface Listed<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}
const WAITING_FOR_ENROLMENTS = `
  SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND info LIKE '%FROM enrolment AS n%FOR UPDATE'`;
type EventBody = { readonly kind: string; readonly actor: string; readonly detail: Record<string, unknown> };

const create = (body: object, authorization = cluster.admin): Promise<TestResponse<CreatedEnrolment & ProblemBody>> =>
  cluster.call('POST', '/v1/enrolments', { body, authorization });
const revoke = (enrolmentId: string, replica = 0): Promise<TestResponse<EnrolmentDto>> =>
  cluster.call('DELETE', `/v1/enrolments/${enrolmentId}`, { authorization: cluster.admin, replica });
const enrolment = async (enrolmentId: string): Promise<EnrolmentDto> =>
  (await cluster.read<EnrolmentDto>(`/v1/enrolments/${enrolmentId}`)).body;
const registerBy = (
  { file }: CreatedEnrolment,
  hostId: string = randomUUID(),
  over: Record<string, unknown> = {},
  replica = 0,
): Promise<TestResponse<RegistrationBody & ProblemBody>> =>
  cluster.register(hostId, { machineId: hostId, ...over }, replica, `Enrolment ${file.token}`);
const eventsOf = async (kind: string, enrolmentId: string): Promise<EventBody[]> =>
  (await cluster.read<Listed<EventBody>>(`/v1/events?kind=${kind}&limit=1000`)).body.items.filter(
    ({ detail }) => detail['enrolmentId'] === enrolmentId,
  );

describe('an enrolment', () => {
  it('is created by an operator with a self-contained file, whose token is shown once and stored as SHA-256', async () => {
    const operator = await cluster.createKey('operator');
    const { status, body } = await create({ note: 'Berlin' }, operator);
    const { file, ...shown } = body;
    expect(status).toBe(201);
    expect(shown).toEqual({
      enrolmentId: expect.any(String),
      note: 'Berlin',
      state: 'Active',
      createdAt: cluster.after(0),
      createdBy: expect.stringMatching(/^operator:operator-/),
      expiresAt: cluster.after(5 * 86_400),
      maxRegistrations: 1,
      registrations: 0,
      revokedAt: null,
      revokedBy: null,
    });
    expect(file).toEqual({
      format: 1,
      siteId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      enrolmentId: shown.enrolmentId,
      addresses: ['127.0.0.1'],
      port: expect.any(Number),
      tls: false,
      tlsCertificateSha256: null,
      requiredVersion: '9.63.7187.1',
      packages: [],
      command: expect.stringMatching(
        /^process-server install --cs-address 127\.0\.0\.1 --cs-port \d+ --enrolment-file enrolment\.json$/,
      ),
      expiresAt: shown.expiresAt,
      token: expect.stringMatching(/^pse_[\w-]{107}$/),
    });
    expect(await enrolment(shown.enrolmentId.toUpperCase())).toEqual(shown);
    const listed = await cluster.read<Listed<EnrolmentDto>>('/v1/enrolments', 1);
    expect(listed.body.items).toContainEqual(shown);
    const events = await cluster.read('/v1/events?limit=1000');
    expect(JSON.stringify([listed.body, events.body, cluster.log])).not.toContain(file.token);
    expect(await cluster.database.rows('SELECT id FROM enrolment WHERE hash = ?', [sha256(file.token)])).toEqual([
      { id: shown.enrolmentId },
    ]);
    expect(await eventsOf('enrolment_created', shown.enrolmentId)).toMatchObject([
      { detail: { note: 'Berlin', maxRegistrations: 1, expiresAt: shown.expiresAt } },
    ]);
  });

  it.each<[string, object, ProblemCode, string]>([
    ['without a note', {}, 'validation_failed', 'note'],
    ['with an empty note', { note: '' }, 'validation_failed', 'note'],
    ['with a note of 201 characters', { note: 'x'.repeat(201) }, 'validation_failed', 'note'],
    ['for no registration', { note: 'a', maxRegistrations: 0 }, 'validation_failed', 'maxRegistrations'],
    ['for 1,001 registrations', { note: 'a', maxRegistrations: 1_001 }, 'validation_failed', 'maxRegistrations'],
    ['for half a registration', { note: 'a', maxRegistrations: 1.5 }, 'validation_failed', 'maxRegistrations'],
    ['with an expiry that is no timestamp', { note: 'a', expiresAt: 'soon' }, 'validation_failed', 'expiresAt'],
    ['with an unknown member', { note: 'a', token: 'pse_mine' }, 'validation_failed', 'token'],
  ])('%s is rejected by its field, and nothing is written', async (_case, body, code, field) => {
    const before = await cluster.fingerprint();
    const response = await create(body);
    expectProblem(response, code);
    expect(response.body.errors.map((error) => error.field)).toEqual([field]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it.each([
    [0, 'expiry_not_in_future'],
    [-1, 'expiry_not_in_future'],
    [90 * 86_400 + 1, 'expiry_too_far'],
  ] as const)('that ends in %d s is rejected with %s, and nothing is written', async (seconds, code) => {
    const before = await cluster.fingerprint();
    const response = await create({ note: 'a', expiresAt: cluster.after(seconds) });
    expectProblem(response, code);
    expect(response.body.errors).toMatchObject([{ field: 'expiresAt' }]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('is listed in pages, in the order of creation', async () => {
    const created: string[] = [];
    for (const note of ['one', 'two', 'three']) created.push((await cluster.createEnrolment({ note })).enrolmentId);
    const listed: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: TestResponse<Listed<EnrolmentDto>> = await cluster.read(
        `/v1/enrolments?limit=1${cursor && `&cursor=${cursor}`}`,
      );
      listed.push(...body.items.map(({ enrolmentId }) => enrolmentId));
      cursor = body.nextCursor;
    }
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed.slice(-3)).toEqual(created);
    expectProblem(await cluster.read('/v1/enrolments?cursor=made-up'), 'invalid_cursor');
  });

  it('is revoked with one event, however often and at whichever replica', async () => {
    const { enrolmentId } = await cluster.createEnrolment();
    const responses = await Promise.all([0, 1, 0, 1].map((replica) => revoke(enrolmentId, replica)));
    for (const { status, body } of responses)
      expect([status, body]).toMatchObject([
        200,
        { state: 'Revoked', revokedAt: cluster.after(0), revokedBy: 'operator:admin' },
      ]);
    expect(await eventsOf('enrolment_revoked', enrolmentId)).toMatchObject([
      { actor: 'operator:admin', detail: { state: 'Active', registrations: 0 } },
    ]);
    expectProblem(await cluster.read(`/v1/enrolments/${randomUUID()}`), 'enrolment_not_found');
    expectProblem(await revoke(randomUUID()), 'enrolment_not_found');
  });
});

describe('a registration by enrolment', () => {
  it('is counted, and shows its enrolment in the detail, in the list and in its event', async () => {
    const made = await cluster.createEnrolment({ maxRegistrations: 2 });
    const hostId = randomUUID();
    expect((await registerBy(made, hostId)).status).toBe(201);
    const detail = await cluster.read(`/v1/process-servers/${hostId}`, 1);
    expect(detail.body).toMatchObject({ enrolmentId: made.enrolmentId, passphraseId: null });
    await cluster.registered();
    const listed = await cluster.read<Listed<{ hostId: string }>>(
      `/v1/process-servers?enrolmentId=${made.enrolmentId.toUpperCase()}`,
    );
    expect(listed.body.items.map((item) => item.hostId)).toEqual([hostId]);
    const [event] = await eventsOf('registered', made.enrolmentId);
    expect(event?.detail).not.toHaveProperty('passphraseId');
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'Active', registrations: 1 });
    await cluster.advance(5); // counts are cached for up to five seconds
    expect((await cluster.read('/v1/fleet')).body['onEarlierPassphrase']).toBe(0);
  });

  it('of ten callers at once at two replicas registers one, and the others get enrolment_used_up', async () => {
    const made = await cluster.createEnrolment();
    const hosts = Array.from({ length: 10 }, () => randomUUID());
    const responses = await Promise.all(hosts.map((hostId, caller) => registerBy(made, hostId, {}, caller % 2)));
    expect(responses.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(9).fill(409)]);
    const rejected = responses.filter(({ status }) => status !== 201);
    for (const response of rejected) expectProblem(response, 'enrolment_used_up');
    expect(rejected.map(({ body }) => body.instruction)).toEqual(Array<string>(9).fill('ask_operator'));
    expect(
      await cluster.database.rows('SELECT host_id FROM process_server WHERE host_id IN (?)', [hosts]),
    ).toHaveLength(1);
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'UsedUp', registrations: 1 });
    const events = await cluster.database.rows<{ kind: string }>('SELECT kind FROM event WHERE host_id IN (?)', [
      hosts,
    ]);
    expect(events).toEqual([{ kind: 'registered' }]);
  });

  it('counts each of two enrolments, used at once by more callers than they permit', async () => {
    const both = [
      await cluster.createEnrolment({ maxRegistrations: 3 }),
      await cluster.createEnrolment({ maxRegistrations: 5 }),
    ] as const;
    const responses = await Promise.all(
      Array.from({ length: 24 }, (_, caller) =>
        registerBy(both[caller % 2 ? 1 : 0], randomUUID(), {}, caller % 3 ? 1 : 0),
      ),
    );
    const statuses = (which: number): number[] =>
      responses.filter((_, caller) => caller % 2 === which).map(({ status }) => status);
    for (const [which, permitted] of [
      [0, 3],
      [1, 5],
    ] as const) {
      expect(statuses(which).filter((status) => status === 201)).toHaveLength(permitted);
      expect(statuses(which).filter((status) => status === 409 || status === 429)).toHaveLength(12 - permitted);
      const id = both[which].enrolmentId;
      expect(await enrolment(id)).toMatchObject({ state: 'UsedUp', registrations: permitted });
      expect(
        await cluster.database.rows('SELECT host_id FROM process_server WHERE enrolment_id = ?', [id]),
      ).toHaveLength(permitted);
    }
  });

  it('can be repeated by its machine, also when the enrolment is used up, and is counted once', async () => {
    const made = await cluster.createEnrolment();
    const hostId = randomUUID();
    const statuses = [];
    for (let attempt = 0; attempt < 3; attempt += 1) statuses.push((await registerBy(made, hostId)).status);
    expect(statuses).toEqual([201, 200, 200]);
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'UsedUp', registrations: 1 });
    await cluster.advance(180); // Disconnected, so that another machine may take the host id
    expectProblem(await registerBy(made, hostId, { machineId: 'machine-2' }), 'enrolment_used_up');
    expectProblem(await registerBy(made), 'enrolment_used_up');
    expect((await registerBy(made, hostId)).status).toBe(200);
  });

  it('of one machine at two replicas at once registers it once, and is a repetition for the other', async () => {
    const made = await cluster.createEnrolment();
    const hostId = randomUUID();
    const lockHolder = await cluster.database.connect();
    try {
      await lockHolder.beginTransaction();
      await lockHolder.query('SELECT 1 FROM enrolment WHERE id = ? FOR UPDATE', [made.enrolmentId]);
      const responses = Promise.all([0, 1].map((replica) => registerBy(made, hostId, {}, replica)));
      await eventually(
        'both wait for the enrolment',
        10_000,
        async () => (await cluster.database.rows(WAITING_FOR_ENROLMENTS)).length === 2,
      );
      await lockHolder.rollback();
      expect((await responses).map(({ status }) => status).sort()).toEqual([200, 201]);
    } finally {
      await lockHolder.end();
    }
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'UsedUp', registrations: 1 });
    expect(await cluster.eventKinds(hostId)).toEqual(expect.arrayContaining(['registered', 'registered_again']));
  });

  it('cannot be repeated after a purge, nor after a registration by passphrase, without another use', async () => {
    const made = await cluster.createEnrolment();
    const hostId = randomUUID();
    await registerBy(made, hostId);
    await cluster.purge(hostId, { generation: 1, force: true });
    expectProblem(await registerBy(made, hostId), 'enrolment_used_up');
    const other = await cluster.createEnrolment({ maxRegistrations: 2 });
    await registerBy(other, hostId);
    await cluster.registered({ machineId: hostId }, hostId);
    expect((await cluster.read(`/v1/process-servers/${hostId}`)).body['enrolmentId']).toBeNull();
    await registerBy(other, hostId);
    expect(await enrolment(other.enrolmentId)).toMatchObject({ state: 'UsedUp', registrations: 2 });
  });

  it('that is rejected for another reason is not counted', async () => {
    const made = await cluster.createEnrolment();
    expectProblem(
      await registerBy(made, randomUUID(), { agentVersion: '9.64.0.0' }),
      'version_newer_than_configuration_server',
    );
    expectProblem(await registerBy(made, randomUUID(), { dataPort: 443 }), 'invalid_data_port');
    expectProblem(await registerBy(made, (await cluster.registered()).hostId), 'host_id_conflict');
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'Active', registrations: 0 });
    expect((await registerBy(made)).status).toBe(201);
  });

  it('is accepted until a millisecond before the expiry, and rejected from then on', async () => {
    const made = await cluster.createEnrolment({ maxRegistrations: 5, expiresAt: cluster.after(60) });
    await cluster.simulateOutage(59.999);
    const hostId = randomUUID();
    expect((await registerBy(made, hostId)).status).toBe(201);
    await cluster.simulateOutage(0.001);
    for (const replica of [0, 1]) expectProblem(await registerBy(made, hostId, {}, replica), 'enrolment_expired');
    expect(await enrolment(made.enrolmentId)).toMatchObject({ state: 'Expired', registrations: 1 });
  });

  it('is rejected at once after the revocation, and earlier ones stay registered', async () => {
    const made = await cluster.createEnrolment({ maxRegistrations: 5 });
    const hostId = randomUUID();
    const { body } = await registerBy(made, hostId);
    await revoke(made.enrolmentId);
    expectProblem(await registerBy(made, randomUUID(), {}, 1), 'enrolment_revoked');
    expectProblem(await registerBy(made, hostId), 'enrolment_revoked');
    expect((await cluster.heartbeat({ hostId, ...body })).status).toBe(200);
  });

  it('with a token of another site, or a forged one, is rejected without a database', async () => {
    const proxy = await TogglableProxy.inFrontOf(cluster.database.address);
    const replica = await cluster.addReplicaBehind(proxy);
    const made = await cluster.createEnrolment({}, replica);
    const foreign = cluster.replica().http.get(EnrolmentTokens).issue(randomUUID()).token;
    const withToken = (token: string) =>
      registerBy({ ...made, file: { ...made.file, token } }, randomUUID(), {}, replica);
    proxy.disable();
    const response = await withToken(foreign);
    expectProblem(response, 'enrolment_unknown_site');
    expect(response.body.instruction).toBe('ask_operator');
    expectProblem(await withToken(`${made.file.token.slice(0, -44)}${foreign.slice(-44)}`), 'enrolment_rejected');
    expectProblem(await withToken(made.file.token), 'database_unavailable');
    proxy.enable();
    expectProblem(await withToken(foreign), 'enrolment_unknown_site');
    expect(
      await cluster.database.rows("SELECT kind FROM event WHERE kind = 'refused_enrolment_unknown_site'"),
    ).toHaveLength(1);
  });

  it('with an ended enrolment counts as a failed attempt, and is audited with its enrolment', async () => {
    const made = await cluster.createEnrolment();
    await registerBy(made);
    const codes: string[] = [];
    for (let attempt = 0; attempt < 21; attempt += 1) codes.push((await registerBy(made)).body.code);
    expect(codes).toEqual([...Array<string>(20).fill('enrolment_used_up'), 'authentication_attempts_exceeded']);
    const other = await cluster.createEnrolment();
    expect((await registerBy(other)).status).toBe(201);
    await cluster.simulateOutage(3_600);
    await registerBy(made);
    const detail = { code: 'enrolment_used_up', call: 'PUT /v1/process-servers/{hostId}', hostId: expect.any(String) };
    expect(await eventsOf('refused_enrolment_used_up', made.enrolmentId)).toMatchObject([{ detail }, { detail }]);
  });
});

import { MAX_EVENTS_PER_HOUR } from '@app/fleet';
import type { TestCluster } from '../support/test-cluster.js';
import type { Operation } from './contract.js';
import { shown, type FuzzResponse, type FuzzRequest } from './fuzz-request.js';
import type { FuzzState } from './fuzz-state.js';

/** The effects of accepted calls, by the events that prove them: the event of the call, or of an equal earlier call. */
const FAMILIES = {
  registered: ['registered', 'registered_again', 'replaced'],
  decommissioned: ['decommissioned', 'decommissioned_by_force'],
  purged: ['purged', 'purged_by_force'],
  credential_revoked: ['credential_revoked'],
  api_key_created: ['api_key_created'],
  api_key_revoked: ['api_key_revoked'],
  passphrase_rotated: ['passphrase_rotated'],
  api_keys_listed: ['api_keys_listed'],
  passphrases_listed: ['passphrases_listed'],
} as const;
export type Family = keyof typeof FAMILIES;
const NAMES = Object.keys(FAMILIES) as Family[];
const KINDS: readonly string[] = Object.values(FAMILIES).flat();
const familyOf = (kind: string): Family =>
  NAMES.find((family) => (FAMILIES[family] as readonly string[]).includes(kind))!;
/** Each of these calls has an effect of its own; a repetition of any other call has none. */
const NEVER_REPEATED: readonly Family[] = [
  'registered',
  'api_key_created',
  'passphrase_rotated',
  'api_keys_listed',
  'passphrases_listed',
];

interface Effect {
  readonly family: Family;
  /** The subject: two effects of a family with the same key are one. */
  readonly key: string;
}

interface EventRow {
  readonly kind: string;
  readonly host_id: string | null;
  readonly generation: number | null;
  readonly request_id: string | null;
  readonly key_id: string | null;
  readonly passphrase_id: string | null;
  readonly remove_by: string | null;
}

/** The keys of the effect that this event may prove. */
function keysOf({ kind, host_id, generation, request_id, key_id, passphrase_id, remove_by }: EventRow): string[] {
  switch (familyOf(kind)) {
    case 'registered':
    case 'purged':
    case 'credential_revoked':
      return [`${host_id} ${generation}`];
    case 'decommissioned':
      return [`${host_id} ${generation}`, `${host_id} by ${remove_by}`];
    case 'api_key_created':
    case 'api_key_revoked':
      return [String(key_id)];
    case 'passphrase_rotated':
      return [String(passphrase_id)];
    case 'api_keys_listed':
    case 'passphrases_listed':
      return [String(request_id)];
  }
}

/**
 * The state that the accepted calls must result in, in whatever order concurrent calls were executed. It stores the calls
 * of one section of the run, which are compared with the tables at its end, and for the whole run only the number of
 * registrations of each host.
 */
export class ExpectedState {
  readonly accepted: Record<Family, number> = Object.fromEntries(NAMES.map((family) => [family, 0])) as Record<
    Family,
    number
  >;
  private readonly registrations = new Map<string, number>();
  private calls = new Map<string, Effect[]>();
  /** Accepted requests without a documented operation: they must have had no effect. */
  private unexpected = new Map<string, FuzzRequest>();
  private created = { keys: 0, passphrases: 0 };

  private constructor(
    private readonly cluster: TestCluster,
    private readonly state: FuzzState,
    private readonly before: { readonly keys: number; readonly passphrases: number },
    private readonly runStartedAt: Date,
    private sectionStartedAt: Date,
  ) {}

  /** Starts at the next timestamp of the clock. */
  static async of(cluster: TestCluster, state: FuzzState): Promise<ExpectedState> {
    await cluster.advance(1);
    const now = cluster.clock.now();
    return new ExpectedState(
      cluster,
      state,
      { keys: await cluster.database.count('api_key'), passphrases: await cluster.database.count('passphrase') },
      now,
      now,
    );
  }

  /** Records a response, also in the fuzz state. */
  record(request: FuzzRequest, response: FuzzResponse, operation: Operation | null): void {
    if (response.status >= 300) return;
    if (!operation) {
      this.unexpected.set(String(response.headers['x-request-id']), request);
      return;
    }
    const effects = this.effectsOf(request, response, operation);
    if (effects.length === 0) return;
    this.calls.set(String(response.headers['x-request-id']), effects);
    for (const { family } of effects) this.accepted[family] += 1;
  }

  private effectsOf(
    { target, body, credentialOf }: FuzzRequest,
    { headers, text }: FuzzResponse,
    { name }: Operation,
  ): Effect[] {
    const response = (
      text !== '' && headers['content-type']?.includes('application/json') ? JSON.parse(text) : {}
    ) as Record<string, string> & { generation: number };
    const asked = (
      body && name === 'POST /v1/process-servers/{hostId}/purge'
        ? JSON.parse(body.toString().replace(/^\ufeff/, ''))
        : {}
    ) as { generation: number };
    const id = decodeURIComponent(target.split(/[/?]/)[3] ?? '').toLowerCase();
    switch (name) {
      case 'PUT /v1/process-servers/{hostId}': {
        const { hostId = '', generation, credential = '' } = response;
        this.registrations.set(hostId, (this.registrations.get(hostId) ?? 0) + 1);
        this.state.addRegistration(hostId, generation, credential);
        return [{ family: 'registered', key: `${hostId} ${generation}` }];
      }
      case 'DELETE /v1/process-servers/{hostId}':
        return [
          {
            family: 'decommissioned',
            key: credentialOf ? `${id} ${credentialOf.generation}` : `${id} by ${response['removeBy']}`,
          },
        ];
      case 'POST /v1/process-servers/{hostId}/purge':
        this.state.endCredential(id, asked.generation);
        return [{ family: 'purged', key: `${id} ${asked.generation}` }];
      case 'POST /v1/process-servers/{hostId}/revoke-credential':
        this.state.endCredential(id, response.generation);
        return [{ family: 'credential_revoked', key: `${id} ${response.generation}` }];
      case 'POST /v1/purges':
        this.state.addPlan(response['planId'] ?? '', response['candidates'] as unknown as []);
        return [];
      case 'POST /v1/purges/{planId}/apply': {
        const generations = this.state.plan(id)?.generations;
        return (response['purged'] as unknown as { hostId: string }[]).map(({ hostId }) => ({
          family: 'purged',
          key: `${hostId} ${generations?.get(hostId)}`,
        }));
      }
      case 'POST /v1/api-keys':
        this.created.keys += 1;
        this.state.addKey(response as unknown as Parameters<FuzzState['addKey']>[0]);
        return [{ family: 'api_key_created', key: response['keyId'] ?? '' }];
      case 'DELETE /v1/api-keys/{keyId}':
        this.state.markKeyRevoked(id);
        return [{ family: 'api_key_revoked', key: id }];
      case 'POST /v1/passphrases':
        this.created.passphrases += 1;
        this.state.addPassphrase(response['passphraseId'] ?? '', response['earlierRetireAt'] ?? '');
        return [{ family: 'passphrase_rotated', key: response['passphraseId'] ?? '' }];
      case 'GET /v1/api-keys':
        return [{ family: 'api_keys_listed', key: String(headers['x-request-id']) }];
      case 'GET /v1/passphrases':
        return [{ family: 'passphrases_listed', key: String(headers['x-request-id']) }];
      default:
        return [];
    }
  }

  /** Compares the calls of the section with the tables while no call is in flight; then starts the next section. */
  async sectionViolations(): Promise<string[]> {
    const violations: string[] = [];
    const events = await this.cluster.database.rows<EventRow>(
      `SELECT kind, host_id, generation, request_id, JSON_VALUE(detail, '$.keyId') AS key_id,
              JSON_VALUE(detail, '$.passphraseId') AS passphrase_id, JSON_VALUE(detail, '$.removeBy') AS remove_by
         FROM event WHERE at >= ? AND kind IN (?)`,
      [this.sectionStartedAt, KINDS],
    );
    const reported = new Set<string>();
    for (const event of events) {
      const family = familyOf(event.kind);
      const keys = keysOf(event);
      for (const key of keys) reported.add(`${family} ${key}`);
      const effects = this.calls.get(String(event.request_id)) ?? [];
      if (!effects.some((effect) => effect.family === family && keys.includes(effect.key)))
        violations.push(`an event without an accepted call: ${JSON.stringify(event)}${this.origin(event)}`);
    }
    for (const [requestId, effects] of this.calls) {
      for (const effect of effects) {
        if (reported.has(`${effect.family} ${effect.key}`)) continue;
        if (NEVER_REPEATED.includes(effect.family) || !(await this.wasReportedBefore(effect)))
          violations.push(`call ${requestId} was accepted, but has no event: ${effect.family} ${effect.key}`);
      }
    }
    violations.push(...(await this.registryViolations()));
    await this.cluster.advance(1);
    this.sectionStartedAt = this.cluster.clock.now();
    this.calls = new Map();
    this.unexpected = new Map();
    return violations;
  }

  private origin({ request_id }: EventRow): string {
    const request = this.unexpected.get(String(request_id));
    return request ? `\n  to ${shown(request)}` : '';
  }

  private async wasReportedBefore({ family, key }: Effect): Promise<boolean> {
    const [subject = '', ...rest] = key.split(' ');
    if (family === 'api_key_revoked')
      return (
        (
          await this.cluster.database.rows('SELECT id FROM api_key WHERE id = ? AND revoked_at < ?', [
            subject,
            this.sectionStartedAt,
          ])
        ).length === 1
      );
    const which = rest[0] === 'by' ? "JSON_VALUE(detail, '$.removeBy') = ?" : 'generation = ?';
    const rows = await this.cluster.database.rows(
      `SELECT id FROM event WHERE at < ? AND kind IN (?) AND host_id = ? AND ${which}`,
      [this.sectionStartedAt, FAMILIES[family], subject, rest.at(-1)],
    );
    return rows.length === 1;
  }

  /** Invariants of all tables while no call is in flight. */
  private async registryViolations(): Promise<string[]> {
    const { database } = this.cluster;
    const none = async (what: string, sql: string, parameters: unknown[] = []): Promise<string[]> => {
      const rows = await database.rows(`${sql} LIMIT 5`, parameters);
      return rows.length === 0 ? [] : [`${what}: ${JSON.stringify(rows)}`];
    };
    const violations = [
      ...(await none(
        'an entry with a tombstone',
        'SELECT p.host_id FROM process_server AS p JOIN tombstone AS t ON t.host_id = p.host_id',
      )),
      ...(await none(
        'a process server without its lease or health',
        'SELECT p.host_id FROM process_server AS p LEFT JOIN process_server_lease AS l ON l.host_id = p.host_id AND l.generation = p.generation LEFT JOIN process_server_health AS h ON h.host_id = p.host_id WHERE l.host_id IS NULL OR h.host_id IS NULL',
      )),
      ...(await none(
        'an entry and its lease disagree about the decommissioning',
        'SELECT p.host_id FROM process_server AS p JOIN process_server_lease AS l ON l.host_id = p.host_id WHERE l.retired <> (p.decommissioned_at IS NOT NULL)',
      )),
      ...(await none(
        'removed by the clean-up without a decommissioning',
        "SELECT r.host_id, r.generation FROM event AS r LEFT JOIN event AS d ON d.host_id = r.host_id AND d.generation = r.generation AND d.kind IN ('decommissioned', 'decommissioned_by_force') WHERE r.kind = 'removed' AND d.id IS NULL",
      )),
      ...(await none(
        'a revoked key without an event',
        "SELECT k.id FROM api_key AS k LEFT JOIN event AS e ON e.kind = 'api_key_revoked' AND e.at = k.revoked_at AND JSON_VALUE(e.detail, '$.keyId') = k.id WHERE k.revoked_at >= ? AND e.id IS NULL",
        [this.sectionStartedAt],
      )),
    ];
    for (const child of ['process_server_lease', 'process_server_health', 'process_server_name_history']) {
      violations.push(
        ...(await none(
          `orphans in ${child}`,
          `SELECT c.host_id FROM ${child} AS c LEFT JOIN process_server AS p ON p.host_id = c.host_id WHERE p.host_id IS NULL`,
        )),
      );
    }
    const counters = await database.counterErrors();
    if (counters.length > 0) violations.push(`the counters differ from the entries: ${JSON.stringify(counters)}`);
    return [...violations, ...(await this.countViolations())];
  }

  private async countViolations(): Promise<string[]> {
    const { database } = this.cluster;
    const violations: string[] = [];
    const rows = await database.rows<{ host_id: string; generation: number }>(
      'SELECT host_id, generation FROM process_server UNION ALL SELECT host_id, generation FROM tombstone',
    );
    const generations = new Map(rows.map(({ host_id, generation }) => [host_id, generation]));
    for (const [hostId, count] of this.registrations) {
      if (generations.get(hostId) !== count)
        violations.push(`${hostId} registered ${count} times and has generation ${generations.get(hostId)}`);
    }
    for (const hostId of generations.keys())
      if (!this.registrations.has(hostId)) violations.push(`${hostId} exists, but no registration of it was accepted`);
    for (const [table, expected] of [
      ['api_key', this.before.keys + this.created.keys],
      ['passphrase', this.before.passphrases + this.created.passphrases],
    ] as const) {
      const count = await database.count(table);
      if (count !== expected) violations.push(`${table} has ${count} rows instead of ${expected}`);
    }
    return violations;
  }

  /** Invariants of the whole run: no effect is repeated, and non-idempotent calls have one event each. */
  async runViolations(): Promise<string[]> {
    const violations: string[] = [];
    for (const family of NAMES) {
      const ofFamily = [FAMILIES[family], this.runStartedAt];
      const what = family.startsWith('api_key_')
        ? "JSON_VALUE(detail, '$.keyId')"
        : family === 'passphrase_rotated'
          ? "JSON_VALUE(detail, '$.passphraseId')"
          : 'host_id, generation';
      const twice = family.endsWith('listed')
        ? []
        : await this.cluster.database.rows(
            `SELECT ${what}, COUNT(*) AS times FROM event WHERE kind IN (?) AND at >= ? GROUP BY ${what} HAVING COUNT(*) > 1 LIMIT 5`,
            ofFamily,
          );
      if (twice.length > 0) violations.push(`${family} more than once: ${JSON.stringify(twice)}`);
      const [row] = await this.cluster.database.rows<{ count: number }>(
        'SELECT COUNT(*) AS count FROM event WHERE kind IN (?) AND at >= ?',
        ofFamily,
      );
      const count = row?.count ?? 0;
      const isRight = NEVER_REPEATED.includes(family)
        ? count === this.accepted[family]
        : count <= this.accepted[family];
      if (!isRight) violations.push(`${count} events for ${this.accepted[family]} accepted calls: ${family}`);
    }
    return [...violations, ...(await this.boundViolations())];
  }

  /** Bounds the events of one process server: a rejection is recorded once an hour, other heartbeat events ten times in an hour of their own, two of which may overlap a clock hour. */
  private async boundViolations(): Promise<string[]> {
    const tooMany = await this.cluster.database.rows(
      `SELECT host_id, kind, COUNT(*) AS times FROM event
        WHERE at >= ? AND host_id IS NOT NULL AND (kind LIKE 'refused\\_%' OR kind IN (?))
        GROUP BY host_id, kind, FLOOR(UNIX_TIMESTAMP(at) / 3600)
       HAVING COUNT(*) > IF(kind LIKE 'refused\\_%', 1, IF(kind = 'source_address_changed', 2, 20)) LIMIT 5`,
      [this.runStartedAt, Object.keys(MAX_EVENTS_PER_HOUR)],
    );
    return tooMany.length === 0 ? [] : [`too many events of one host in an hour: ${JSON.stringify(tooMany)}`];
  }
}

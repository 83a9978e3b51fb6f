import { plain, type Schema } from './contract.js';
import type { RandomSource } from './random-source.js';
import type { Host, Plan, FuzzState } from './fuzz-state.js';

/** The subject of a request, so that its ids and numbers match. */
export interface Subject {
  readonly host: Host;
  readonly plan: Plan | null;
  readonly number: number;
}

const OPTIONAL_PROBABILITY = 0.3;
const REASONS = ['machine was scrapped', 'Platte defekt', '引退', "' OR '1'='1'; DROP TABLE event; --", 'ok 👩‍🔧'];
const NAMES = [
  'ps-berlin',
  'ps-München',
  'サーバー',
  "Robert'); DROP TABLE process_server;--",
  'ß%_\\',
  '${jndi:ldap://x}',
  '<script>alert(1)</script>',
];

const timestampNear = (state: FuzzState, random: RandomSource, from: number, to: number): string =>
  new Date(state.now.getTime() + random.integer(from, to) * 1000).toISOString();

type MadeValue = (subject: Subject, state: FuzzState, random: RandomSource) => unknown;

/** Meaningful values by name, which the schema cannot describe. */
const MEANINGFUL_VALUES: Readonly<Record<string, MadeValue>> = {
  hostId: ({ host }) => host.hostId,
  generation: ({ host }) => host.latest?.generation ?? 1,
  machineId: ({ host }, _state, random) => (random.chance(0.95) ? host.machineId : 'machine-other'),
  instanceId: (_subject, _state, random) => random.oneOf(['i1', 'i1', 'i1', 'i2', 'i3']),
  friendlyName: (_subject, _state, random) => `${random.oneOf(NAMES)}${random.integer(1, 60)}`,
  ipAddress: (_subject, _state, random) =>
    random.oneOf([
      `192.0.2.${random.integer(1, 60)}`,
      `2001:db8::${random.integer(1, 30)}`,
      `::ffff:10.0.0.${random.integer(1, 9)}`,
    ]),
  agentVersion: (_subject, _state, random) =>
    random.oneOf(['9.63.7187.1', '9.63.7187.1', '9.62.1.0', '9.59.0.0', '9.50.1.1', '1.0.0.0']),
  dataPort: (_subject, _state, random) => random.oneOf([9443, 9433, 1, 65_535]),
  protectedMachineCount: (_subject, _state, random) => random.oneOf([0, 0, 0, 3]),
  sentAt: (_subject, state, random) => timestampNear(state, random, -3_600, 600),
  expiresAt: (_subject, state, random) => timestampNear(state, random, 300, 90_000),
  previousCredential: ({ host }, _state, random) =>
    (random.chance(0.8) ? host.latest : host.retired)?.credential ?? null,
  certificateExpiresAt: (_subject, state, random) => timestampNear(state, random, -90_000, 9_000_000),
  from: (_subject, state, random) => timestampNear(state, random, -9_000, 0),
  to: (_subject, state, random) => timestampNear(state, random, -100, 100),
  reason: (_subject, _state, random) => random.oneOf(REASONS),
  name: ({ number }) => `name ${number}`,
  expectedCount: ({ plan }) => plan?.generations.size ?? 0,
  force: (_subject, _state, random) => random.chance(0.9),
  acknowledgeShare: () => true,
  planId: ({ plan }, _state, random) => plan?.planId ?? random.uuid(),
  keyId: (_subject, state, random) => (state.keyIds.length > 0 ? random.oneOf(state.keyIds) : random.uuid()),
  passphraseId: (_subject, state, random) =>
    state.passphraseIds.length > 0 ? random.oneOf(state.passphraseIds) : random.uuid(),
  limit: (_subject, _state, random) => random.oneOf([1, 2, 10, 20, 50]),
  overlapSeconds: (_subject, _state, random) => random.oneOf([0, 1, 60, 300]),
  silentForSeconds: (_subject, _state, random) => random.oneOf([0, 60, 300, 3_600]),
  kind: (_subject, _state, random) =>
    random.oneOf(['purged', 'registered', 'refused_host_id_conflict', 'no_such_kind']),
  'if-none-match': (_subject, _state, random) => random.oneOf(['*', 'W/"x"', '"a", W/"b"']),
};

/** A valid value: a meaningful one for this name, otherwise any that the schema allows. */
export function validValue(
  name: string,
  stated: Schema,
  subject: Subject,
  state: FuzzState,
  random: RandomSource,
): unknown {
  const meant = Object.hasOwn(MEANINGFUL_VALUES, name) ? MEANINGFUL_VALUES[name] : undefined;
  if (meant) return meant(subject, state, random);
  const schema = plain(stated);
  if (schema.enum) return random.oneOf(schema.enum);
  switch (schema.type) {
    case 'boolean':
      return random.chance(0.5);
    case 'integer':
    case 'number':
      return random.oneOf([
        schema.minimum ?? 0,
        schema.maximum ?? 1_000,
        random.integer(schema.minimum ?? 0, Math.min(schema.maximum ?? 1_000, 1e12)),
        Number(schema.example ?? schema.minimum ?? 1),
      ]);
    case 'array':
      return Array.from({ length: random.integer(0, 3) }, () =>
        validValue('', schema.items ?? {}, subject, state, random),
      );
    case 'object':
      return validObject(schema, subject, state, random);
    default:
      return schema.example ?? 'some text';
  }
}

export function validObject(
  stated: Schema,
  subject: Subject,
  state: FuzzState,
  random: RandomSource,
): Record<string, unknown> {
  const { properties = {}, required = [] } = plain(stated);
  const included = Object.entries(properties).filter(
    ([name]) => required.includes(name) || random.chance(OPTIONAL_PROBABILITY),
  );
  return Object.fromEntries(
    included.map(([name, schema]) => {
      const isNull = plain(schema).nullable && !required.includes(name) && random.chance(0.1);
      return [name, isNull ? null : validValue(name, schema, subject, state, random)];
    }),
  );
}

const TEXTS = [
  '',
  ' ',
  'x',
  'true',
  '1',
  'null',
  '[object Object]',
  '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e1',
  '2026-02-30T00:00:00Z',
  '1969-12-31T23:59:59Z',
  '9999-12-31T23:59:59Z',
  '256.1.1.1',
  'fe80::1%eth0',
  '1.2.3',
  '65536.0.0.0',
  '99.0.0.0',
  'Ünïcode',
];
const NUMBERS = [-1, 0, 1, 0.5, 443, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21, 1e308, -0];
const OTHERS = [null, true, false, [], {}, [[]], [null], { a: 1 }];

/** A value at a limit of the schema, just beyond it, or of another type. */
export function edgeValue(stated: Schema, random: RandomSource): unknown {
  const { minimum, maximum, maxLength, maxItems, type } = plain(stated);
  const edges: unknown[] = [random.oneOf(TEXTS), random.oneOf(NUMBERS), random.oneOf(OTHERS)];
  if (minimum !== undefined) edges.push(minimum, minimum - 1, minimum + 0.5);
  if (maximum !== undefined) edges.push(maximum, maximum + 1, String(maximum));
  if (maxLength !== undefined)
    edges.push('x'.repeat(maxLength), 'x'.repeat(maxLength + 1), '𝒳'.repeat(maxLength), '𝒳'.repeat(maxLength + 1));
  if (maxItems !== undefined)
    edges.push(
      Array.from({ length: maxItems + random.integer(0, 1) }, (_, number) => ({
        name: `service ${number}`,
        state: 'running',
      })),
    );
  if (type === 'string') edges.push('a\tb', 'a\nb', 'a\u0000b', '\u202eabc', 'a '.trimEnd() + ' ', '\ud800');
  return random.oneOf(edges);
}

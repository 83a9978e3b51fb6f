import { OPERATIONS, plain, type Operation } from './contract.js';
import { RandomSource } from './random-source.js';
import type { FuzzRequest, Header } from './fuzz-request.js';
import {
  MALICIOUS_BODIES,
  MALICIOUS_HEADERS,
  MALICIOUS_METHODS,
  MALICIOUS_TARGETS,
  MALICIOUS_WIRES,
} from './malicious-requests.js';
import { edgeValue, validObject, validValue, type Subject } from './value-generator.js';
import { ACTIVE_WINDOW, type Caller, type FuzzState } from './fuzz-state.js';

/** Essential calls are more frequent; calls that are expensive or invalidate others are rarer. */
const RELATIVE_FREQUENCY: Readonly<Record<string, number>> = {
  'PUT /v1/process-servers/{hostId}': 5,
  'POST /v1/process-servers/{hostId}/heartbeats': 5,
  'POST /v1/process-servers/{hostId}/purge': 1.5,
  'DELETE /v1/process-servers/{hostId}': 2,
  'POST /v1/passphrases': 0.15,
  'GET /metrics': 0.3,
  'GET /v1/events/export': 0.2,
};
const WEIGHTS = Object.fromEntries(OPERATIONS.map(({ name }) => [name, RELATIVE_FREQUENCY[name] ?? 1]));
const BY_NAME = new Map(OPERATIONS.map((operation) => [operation.name, operation]));
/** The share of incomplete requests that leave their connection open, which takes seconds. */
const OPEN_CONNECTION_SHARE = 0.02;
/** Mixed into the seed, so that requests with adjacent numbers are unrelated. */
const SEED_MULTIPLIER = 0x9e3779b1;

/** The parts of a request before serialisation. */
interface Parts {
  operation: Operation;
  subject: Subject;
  method: string;
  path: string;
  query: [string, string][];
  headers: Header[];
  fields: Record<string, unknown> | null;
  caller: Caller;
}

/** Generates the requests of a run: the same for the same seed, number and fuzz state. */
export class RequestGenerator {
  constructor(
    private readonly seed: number,
    private readonly state: FuzzState,
  ) {}

  request(number: number): FuzzRequest {
    const random = new RandomSource(Math.imul(this.seed, SEED_MULTIPLIER) + number);
    const kind = random.oneOf(['valid', 'near_valid', 'malicious'] as const);
    const parts = this.validParts(number, random);
    if (kind === 'valid') return this.written(number, kind, parts.operation.name, parts);
    if (kind === 'near_valid') return this.written(number, kind, this.mutate(parts, random), parts);
    return this.malicious(number, parts, random);
  }

  private validParts(number: number, random: RandomSource): Parts {
    const operation = BY_NAME.get(random.weighted(WEIGHTS))!;
    const registers = operation.permission === 'passphrase';
    const subject: Subject = {
      host:
        registers && random.chance(0.02)
          ? { hostId: random.uuid(), machineId: 'machine-new', latest: null, retired: null, endedGeneration: 0 }
          : registers
            ? this.state.host(random)
            : this.state.registered(random),
      plan: this.state.plans.length > 0 ? random.oneOf(this.state.plans.slice(-ACTIVE_WINDOW)) : null,
      number,
    };
    const valueOf = (name: string, schema: object): string =>
      String(validValue(name, schema, subject, this.state, random));
    const inQuery = operation.parameters.filter((parameter) => parameter.in === 'query' && parameter.name !== 'cursor');
    const query = random.some(inQuery, 0.25).map(({ name, schema }): [string, string] => [name, valueOf(name, schema)]);
    const force = query.some(([name, value]) => name === 'force' && value === 'true');
    // The complete log of a long run has tens of megabytes, so most exports have a start.
    if (operation.path === '/v1/events/export' && !query.some(([name]) => name === 'from'))
      query.push(['from', valueOf('from', {})]);
    if (force && !query.some(([name]) => name === 'reason')) query.push(['reason', 'test']);
    const fields = operation.body && validObject(operation.body, subject, this.state, random);
    if (fields && operation.path === '/v1/purges')
      Object.assign(fields, random.chance(0.9) && { ipAddress: valueOf('ipAddress', {}) });
    return {
      operation,
      subject,
      method: operation.method,
      path: operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => valueOf(name, {})),
      query,
      headers: operation.parameters
        .filter((parameter) => parameter.in === 'header' && random.chance(0.3))
        .map(({ name, schema }): Header => [name, valueOf(name, schema)]),
      fields,
      caller: this.state.callerFor(operation.permission, subject.host, random),
    };
  }

  /** Makes one part invalid or extreme; returns a description. */
  private mutate(parts: Parts, random: RandomSource): string {
    const { operation, subject, fields } = parts;
    const { latest, retired } = subject.host;
    const inPath = /[0-9a-f-]{36}/;
    const mutators: Record<string, () => void> = {
      caller: () => (parts.caller = this.state.anyCaller(subject.host, random)),
      'unknown parameter': () => parts.query.push([random.oneOf(['x', 'Limit', 'hostid', '']), '1']),
      'if-none-match': () => parts.headers.push(['if-none-match', random.oneOf(['*', '', 'W/"x"'])]),
    };
    if (inPath.test(parts.path)) {
      mutators['id in upper case'] = () => (parts.path = parts.path.replace(inPath, (id) => id.toUpperCase()));
      mutators['unknown id'] = () => (parts.path = parts.path.replace(inPath, random.uuid()));
      mutators['another host id'] = () => (parts.path = parts.path.replace(inPath, this.state.host(random).hostId));
      mutators['no id'] = () =>
        (parts.path = parts.path.replace(
          inPath,
          random.oneOf([
            'x',
            '1',
            'null',
            '00000000-0000-0000-0000-00000000000',
            '%20',
            '{hostId}',
            '0199f0c43f5e7cc19d435f4c5b3a2e10',
          ]),
        ));
    }
    const inQuery = operation.parameters.filter((parameter) => parameter.in === 'query');
    if (inQuery.length > 0) {
      const { name, schema } = random.oneOf(inQuery);
      mutators[`edge of ${name}`] = () =>
        (parts.query = [...parts.query.filter(([one]) => one !== name), [name, String(edgeValue(schema, random))]]);
      mutators[`${name} twice`] = () => parts.query.push([name, '1'], [name, '1']);
      mutators['invalid cursor'] = () =>
        parts.query.push(['cursor', random.oneOf(['x', '', 'eyJhIjoxfQ', 'a.b', 'A'.repeat(6_000)])]);
    }
    if (fields && operation.body) {
      const { properties = {}, required = [] } = plain(operation.body);
      const name = random.oneOf(Object.keys(properties));
      mutators[`edge of ${name}`] = () => (fields[name] = edgeValue(properties[name] ?? {}, random));
      mutators[`edge of ${name} `] = mutators[`edge of ${name}`]!;
      if (required.length > 0) mutators['missing field'] = () => delete fields[random.oneOf(required)];
      mutators['unknown field'] = () =>
        (fields[random.oneOf(['x', 'Generation', 'hostId', 'role ', 'credential'])] = random.oneOf([1, 'a', null]));
      mutators['content type'] = () =>
        parts.headers.push([
          'content-type',
          random.oneOf([
            'text/plain',
            'application/json; charset=utf-8',
            'APPLICATION/JSON',
            'application/merge-patch+json',
          ]),
        ]);
      mutators['no body'] = () => (parts.fields = null);
      if ('generation' in properties) {
        mutators['other generation'] = () =>
          (fields['generation'] = random.oneOf([
            (latest?.generation ?? 1) + random.oneOf([-1, 1, 100]),
            retired?.generation ?? 1,
            4_294_967_295,
          ]));
      }
      if ('machineId' in properties) mutators['other machine'] = () => (fields['machineId'] = 'machine-other');
    } else mutators['a body'] = () => (parts.fields = { a: 1 });
    const what = random.oneOf(Object.keys(mutators));
    mutators[what]?.();
    return `${operation.name}, ${what}`;
  }

  private malicious(number: number, parts: Parts, random: RandomSource): FuzzRequest {
    const mutationKind = random.weighted({ body: 3, target: 3, headers: 2, method: 1, wire: 2 });
    const { operation, fields } = parts;
    if (random.chance(0.3)) parts.caller = this.state.anyCaller(parts.subject.host, random);
    const valid = this.written(number, 'malicious', operation.name, parts);
    switch (mutationKind) {
      case 'body': {
        const name = random.oneOf(Object.keys(MALICIOUS_BODIES));
        const body = Buffer.from(MALICIOUS_BODIES[name]!(fields ?? {}, random));
        return { ...valid, what: `${operation.name}, ${name}`, body, headers: withType(valid.headers) };
      }
      case 'target': {
        const name = random.oneOf(Object.keys(MALICIOUS_TARGETS));
        return { ...valid, what: `${operation.name}, ${name}`, target: MALICIOUS_TARGETS[name]!(parts.path, random) };
      }
      case 'headers': {
        const name = random.oneOf(Object.keys(MALICIOUS_HEADERS));
        const strange = MALICIOUS_HEADERS[name]!(random);
        const names = strange.map(([one]) => one);
        return {
          ...valid,
          what: `${operation.name}, ${name}`,
          headers: [...valid.headers.filter(([one]) => !names.includes(one)), ...strange],
        };
      }
      case 'method': {
        const method = random.oneOf(MALICIOUS_METHODS);
        return { ...valid, what: `${operation.name} by ${method}`, method };
      }
      case 'wire':
        return this.onTheWire(valid, random);
    }
  }

  private onTheWire(valid: FuzzRequest, random: RandomSource): FuzzRequest {
    const name = random.oneOf(Object.keys(MALICIOUS_WIRES));
    // Sent without credentials: if the server accepts the bytes, the expected state could not determine the change.
    const asAnonymous = { ...valid, headers: valid.headers.filter(([one]) => one !== 'authorization') };
    const { then, ...wire } = MALICIOUS_WIRES[name]!(asAnonymous, random);
    return {
      ...asAnonymous,
      caller: 'none',
      permissions: [],
      what: name,
      wire: { ...wire, then: then === 'stays' && !random.chance(OPEN_CONNECTION_SHARE) ? 'breaks' : then },
    };
  }

  private written(
    number: number,
    kind: FuzzRequest['kind'],
    what: string,
    { operation, method, path, query, headers, fields, caller }: Parts,
  ): FuzzRequest {
    const nextPages =
      kind === 'valid' && operation.parameters.some(({ name }) => name === 'cursor')
        ? this.state.nextPages.filter((page) => operation.pattern.test(page))
        : [];
    const search = query
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value.toWellFormed())}`)
      .join('&');
    const body = fields && Buffer.from(JSON.stringify(fields));
    const authorized: Header[] = caller.authorization === null ? [] : [['authorization', caller.authorization]];
    const all = [...authorized, ...headers];
    return {
      number,
      kind,
      what,
      caller: caller.name,
      permissions: caller.permissions,
      isRetired: caller.isRetired ?? false,
      method,
      target:
        number % 3 === 0 && nextPages[0] ? nextPages[number % nextPages.length]! : search ? `${path}?${search}` : path,
      headers: body ? withType(all) : all,
      body,
      ...(caller.credentialOf && { credentialOf: caller.credentialOf }),
    };
  }
}

const withType = (headers: readonly Header[]): readonly Header[] =>
  headers.some(([name]) => name === 'content-type') ? headers : [...headers, ['content-type', 'application/json']];

import { OPERATIONS, plain, type Operation } from './contract.js';
import { Draw } from './draw.js';
import type { FuzzRequest, Header } from './fuzz-request.js';
import { HOSTILE_BODIES, HOSTILE_HEADERS, HOSTILE_METHODS, HOSTILE_TARGETS, HOSTILE_WIRES } from './hostile.js';
import { edgeValue, validObject, validValue, type Subject } from './values.js';
import { ASKED_ABOUT, type Caller, type World } from './world.js';

/** Calls that a registry lives from come oftener; one that makes others useless, or costs much, more seldom. */
const OFTEN: Readonly<Record<string, number>> = {
  'PUT /v1/process-servers/{hostId}': 5,
  'POST /v1/process-servers/{hostId}/heartbeats': 5,
  'POST /v1/process-servers/{hostId}/purge': 1.5,
  'DELETE /v1/process-servers/{hostId}': 2,
  'POST /v1/passphrases': 0.15,
  'GET /metrics': 0.3,
  'GET /v1/events/export': 0.2,
};
const WEIGHTS = Object.fromEntries(OPERATIONS.map(({ name }) => [name, OFTEN[name] ?? 1]));
const BY_NAME = new Map(OPERATIONS.map((operation) => [operation.name, operation]));
/** These leave a connection waiting for seconds. */
const SILENCE_PASSES = 0.02;
/** Mixed into the seed, so that requests with numbers beside each other have nothing in common. */
const SPREAD = 0x9e3779b1;

/** A request by its parts, before it is written down. */
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

/** Makes the requests of a run: the same for the same seed, number and knowledge. */
export class RequestMaker {
  constructor(
    private readonly seed: number,
    private readonly world: World,
  ) {}

  request(number: number): FuzzRequest {
    const draw = new Draw(Math.imul(this.seed, SPREAD) + number);
    const kind = draw.oneOf(['valid', 'nearly', 'hostile'] as const);
    const parts = this.validParts(number, draw);
    if (kind === 'valid') return this.written(number, kind, parts.operation.name, parts);
    if (kind === 'nearly') return this.written(number, kind, this.spoil(parts, draw), parts);
    return this.hostile(number, parts, draw);
  }

  private validParts(number: number, draw: Draw): Parts {
    const operation = BY_NAME.get(draw.weighted(WEIGHTS))!;
    const registers = operation.permission === 'passphrase';
    const subject: Subject = {
      host:
        registers && draw.chance(0.02)
          ? { hostId: draw.uuid(), machineId: 'machine-new', latest: null, retired: null, endedGeneration: 0 }
          : registers
            ? this.world.host(draw)
            : this.world.registered(draw),
      plan: this.world.plans.length > 0 ? draw.oneOf(this.world.plans.slice(-ASKED_ABOUT)) : null,
      number,
    };
    const valueOf = (name: string, schema: object): string =>
      String(validValue(name, schema, subject, this.world, draw));
    const inQuery = operation.parameters.filter((parameter) => parameter.in === 'query' && parameter.name !== 'cursor');
    const query = draw.some(inQuery, 0.25).map(({ name, schema }): [string, string] => [name, valueOf(name, schema)]);
    const force = query.some(([name, value]) => name === 'force' && value === 'true');
    // The whole log of a long run is tens of megabytes; a few ask for that all the same.
    if (operation.path === '/v1/events/export' && !query.some(([name]) => name === 'from'))
      query.push(['from', valueOf('from', {})]);
    if (force && !query.some(([name]) => name === 'reason')) query.push(['reason', 'test']);
    const fields = operation.body && validObject(operation.body, subject, this.world, draw);
    if (fields && operation.path === '/v1/purges')
      Object.assign(fields, draw.chance(0.9) && { ipAddress: valueOf('ipAddress', {}) });
    return {
      operation,
      subject,
      method: operation.method,
      path: operation.path.replace(/\{(\w+)\}/g, (_whole, name: string) => valueOf(name, {})),
      query,
      headers: operation.parameters
        .filter((parameter) => parameter.in === 'header' && draw.chance(0.3))
        .map(({ name, schema }): Header => [name, valueOf(name, schema)]),
      fields,
      caller: this.world.callerFor(operation.permission, subject.host, draw),
    };
  }

  /** Makes one thing wrong, or brings it to the edge; says what. */
  private spoil(parts: Parts, draw: Draw): string {
    const { operation, subject, fields } = parts;
    const { latest, retired } = subject.host;
    const inPath = /[0-9a-f-]{36}/;
    const spoilers: Record<string, () => void> = {
      caller: () => (parts.caller = this.world.anyCaller(subject.host, draw)),
      'unknown parameter': () => parts.query.push([draw.oneOf(['x', 'Limit', 'hostid', '']), '1']),
      'if-none-match': () => parts.headers.push(['if-none-match', draw.oneOf(['*', '', 'W/"x"'])]),
    };
    if (inPath.test(parts.path)) {
      spoilers['id in upper case'] = () => (parts.path = parts.path.replace(inPath, (id) => id.toUpperCase()));
      spoilers['unknown id'] = () => (parts.path = parts.path.replace(inPath, draw.uuid()));
      spoilers['another host id'] = () => (parts.path = parts.path.replace(inPath, this.world.host(draw).hostId));
      spoilers['no id'] = () =>
        (parts.path = parts.path.replace(
          inPath,
          draw.oneOf([
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
      const { name, schema } = draw.oneOf(inQuery);
      spoilers[`edge of ${name}`] = () =>
        (parts.query = [...parts.query.filter(([one]) => one !== name), [name, String(edgeValue(schema, draw))]]);
      spoilers[`${name} twice`] = () => parts.query.push([name, '1'], [name, '1']);
      spoilers['strange cursor'] = () =>
        parts.query.push(['cursor', draw.oneOf(['x', '', 'eyJhIjoxfQ', 'a.b', 'A'.repeat(6_000)])]);
    }
    if (fields && operation.body) {
      const { properties = {}, required = [] } = plain(operation.body);
      const name = draw.oneOf(Object.keys(properties));
      spoilers[`edge of ${name}`] = () => (fields[name] = edgeValue(properties[name] ?? {}, draw));
      spoilers[`edge of ${name} `] = spoilers[`edge of ${name}`]!;
      if (required.length > 0) spoilers['missing field'] = () => delete fields[draw.oneOf(required)];
      spoilers['unknown field'] = () =>
        (fields[draw.oneOf(['x', 'Generation', 'hostId', 'role ', 'credential'])] = draw.oneOf([1, 'a', null]));
      spoilers['content type'] = () =>
        parts.headers.push([
          'content-type',
          draw.oneOf([
            'text/plain',
            'application/json; charset=utf-8',
            'APPLICATION/JSON',
            'application/merge-patch+json',
          ]),
        ]);
      spoilers['no body'] = () => (parts.fields = null);
      if ('generation' in properties) {
        spoilers['other generation'] = () =>
          (fields['generation'] = draw.oneOf([
            (latest?.generation ?? 1) + draw.oneOf([-1, 1, 100]),
            retired?.generation ?? 1,
            4_294_967_295,
          ]));
      }
      if ('machineId' in properties) spoilers['other machine'] = () => (fields['machineId'] = 'machine-other');
    } else spoilers['a body'] = () => (parts.fields = { a: 1 });
    const what = draw.oneOf(Object.keys(spoilers));
    spoilers[what]?.();
    return `${operation.name}, ${what}`;
  }

  private hostile(number: number, parts: Parts, draw: Draw): FuzzRequest {
    const way = draw.weighted({ body: 3, target: 3, headers: 2, method: 1, wire: 2 });
    const { operation, fields } = parts;
    if (draw.chance(0.3)) parts.caller = this.world.anyCaller(parts.subject.host, draw);
    const valid = this.written(number, 'hostile', operation.name, parts);
    switch (way) {
      case 'body': {
        const name = draw.oneOf(Object.keys(HOSTILE_BODIES));
        const body = Buffer.from(HOSTILE_BODIES[name]!(fields ?? {}, draw));
        return { ...valid, what: `${operation.name}, ${name}`, body, headers: withType(valid.headers) };
      }
      case 'target': {
        const name = draw.oneOf(Object.keys(HOSTILE_TARGETS));
        return { ...valid, what: `${operation.name}, ${name}`, target: HOSTILE_TARGETS[name]!(parts.path, draw) };
      }
      case 'headers': {
        const name = draw.oneOf(Object.keys(HOSTILE_HEADERS));
        const strange = HOSTILE_HEADERS[name]!(draw);
        const names = strange.map(([one]) => one);
        return {
          ...valid,
          what: `${operation.name}, ${name}`,
          headers: [...valid.headers.filter(([one]) => !names.includes(one)), ...strange],
        };
      }
      case 'method': {
        const method = draw.oneOf(HOSTILE_METHODS);
        return { ...valid, what: `${operation.name} by ${method}`, method };
      }
      case 'wire':
        return this.onTheWire(valid, draw);
    }
  }

  private onTheWire(valid: FuzzRequest, draw: Draw): FuzzRequest {
    const name = draw.oneOf(Object.keys(HOSTILE_WIRES));
    // What may be understood after all must not be allowed anything: nobody would know what it changed.
    const asStranger = { ...valid, headers: valid.headers.filter(([one]) => one !== 'authorization') };
    const { then, ...wire } = HOSTILE_WIRES[name]!(asStranger, draw);
    return {
      ...asStranger,
      caller: 'none',
      may: [],
      what: name,
      wire: { ...wire, then: then === 'stays' && !draw.chance(SILENCE_PASSES) ? 'breaks' : then },
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
        ? this.world.nextPages.filter((page) => operation.pattern.test(page))
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
      may: caller.may,
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

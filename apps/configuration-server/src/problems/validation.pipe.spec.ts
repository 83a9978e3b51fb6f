import { describe, expect, it } from '@jest/globals';
import * as wire from '@app/api-contract';
import { getMetadataStorage } from 'class-validator';
import { RequestProblem } from './request-problem.js';
import { DtoPipe } from './validation.pipe.js';

type Case = readonly [value: unknown, message: string];

const LONG = 'x'.repeat(7_000);
/** Invalid values and their messages, by the decorator of the member. */
const KINDS: Readonly<Record<string, (bounds: ReadonlyMap<string, number>, isQuery: boolean) => readonly Case[]>> = {
  isInt: (bounds, isQuery) => [
    ...[LONG, '', 'abc', '10.0', '1e2', ' 1', true, [1]].map((value): Case => [value, 'must be an integer number']),
    ...(isQuery ? [] : ['5', '-5', 1.5, {}].map((value): Case => [value, 'must be an integer number'])),
    [inQuery((bounds.get('min') ?? 0) - 1, isQuery), `must not be less than ${bounds.get('min')}`],
    [inQuery(-5, isQuery), `must not be less than ${bounds.get('min')}`],
    [inQuery((bounds.get('max') ?? 0) + 1, isQuery), `must not be greater than ${bounds.get('max')}`],
    ...(isQuery ? [['9'.repeat(40), `must not be greater than ${bounds.get('max')}`] as const] : []),
  ],
  isNumber: (bounds) => [
    ...['5', '', true, {}].map((value): Case => [value, 'must be a number conforming to the specified constraints']),
    [-0.1, `must not be less than ${bounds.get('min')}`],
    [100.1, `must not be greater than ${bounds.get('max')}`],
  ],
  isIn: () => ['', 'connected', 1, [], {}].map((value): Case => [value, 'must be one of the following values: ']),
  isBoolean: () => ['yes', '', 1, []].map((value): Case => [value, 'must be a boolean value']),
  isString: () => [1, true, ['a', 'b'], {}].map((value): Case => [value, 'must be a string']),
  isDisplayText: () =>
    [1, '', LONG, ['a']]
      .map((value): Case => [value, 'must be text of 1 to '])
      .concat([
        [' a', 'must not begin with white space'],
        ['a\n', 'must be one line of visible characters'],
      ]),
  isDisplayTextPrefix: () =>
    [1, '', LONG, ['a']]
      .map((value): Case => [value, 'must be text of 1 to '])
      .concat([[' a', 'must not begin with white space']]),
  isHostId: () => [1, '', 'x', {}].map((value): Case => [value, 'must be a UUID']),
  isAddress: () => [1, '', '300.1.1.1'].map((value): Case => [value, 'must be an IPv4 or IPv6 address']),
  isMachineAddress: () => [1, '', '300.1.1.1'].map((value): Case => [value, 'must be an IPv4 or IPv6 address']),
  isTimestamp: () =>
    [1, '', 'yesterday', '2026-02-30T00:00:00Z', {}].map((value): Case => [value, 'must be an RFC 3339 timestamp']),
  isVersion: () => [1, '', '1.2.3', '1.2.3.65536'].map((value): Case => [value, 'must have four numbers']),
  isSha256: () => [1, '', 'ab', 'g'.repeat(64)].map((value): Case => [value, 'must have 64 hexadecimal digits']),
  isDownloadUrl: () => [
    ...['', 'x', 'ftp://packages.example.net/1'].map((value): Case => [value, 'must be a URL']),
    ['https://user:secret@packages.example.net/1', 'must not contain credentials'],
  ],
  isPackageFile: () =>
    ['', '..', 'a/b', 'a\\b', LONG].map((value): Case => [value, 'must be a file name of at most 255']),
  isArray: () => [1, 'a', {}].map((value): Case => [value, 'must be an array']),
  isObject: () => [1, 'a', []].map((value): Case => [value, 'must be an object']),
};
const isQueryClass = ({ name }: wire.DtoClass): boolean => /(Query|Parameters)$/.test(name);
const inQuery = (value: number, isQuery: boolean): unknown => (isQuery ? String(value) : value);

const members = Object.values(wire)
  .filter((value): value is wire.DtoClass => typeof value === 'function' && /^class /.test(String(value)))
  .flatMap((dtoClass) => {
    const checks = getMetadataStorage().getTargetValidationMetadatas(dtoClass, '', false, false);
    return [...new Set(checks.map(({ propertyName }) => propertyName))].map((name) => {
      const own = checks.filter(({ propertyName, each }) => propertyName === name && !each);
      const bounds = new Map(
        own.map(({ name: check = '', constraints }) => [check, Number((constraints as unknown[] | undefined)?.[0])]),
      );
      return {
        where: `${dtoClass.name}.${name}`,
        dtoClass,
        name,
        bounds,
        kinds: [...bounds.keys()].filter((check) => check in KINDS),
      };
    });
  });

async function errorsOf(dtoClass: wire.DtoClass, value: object): Promise<readonly wire.FieldError[]> {
  const type = isQueryClass(dtoClass) ? 'query' : 'body';
  const error = await new DtoPipe().transform(value, { type, metatype: dtoClass }).catch((thrown: unknown) => thrown);
  return error instanceof RequestProblem ? (error.errors ?? []) : [];
}

describe('an invalid value gets the error of its kind', () => {
  it('covers members of every kind', () => {
    expect(new Set(members.flatMap(({ kinds }) => kinds))).toEqual(new Set(Object.keys(KINDS)));
  });

  it.each(members)('$where', async ({ dtoClass, name, bounds, kinds }) => {
    expect(kinds).toHaveLength(1);
    for (const [value, message] of KINDS[kinds[0] ?? '']?.(bounds, isQueryClass(dtoClass)) ?? []) {
      const ofField = (await errorsOf(dtoClass, { [name]: value })).filter(({ field }) => field === name);
      expect([value, ofField]).toEqual([
        value,
        [{ field: name, message: expect.stringContaining(`${name} ${message}`) }],
      ]);
    }
  });

  it('lists errors in the order of the class members', async () => {
    const errors = await errorsOf(wire.PurgeRequest, { force: 'yes', reason: '', generation: '1', colour: 'blue' });
    expect(errors.map(({ field }) => field)).toEqual(['colour', 'generation', 'reason', 'force']);
  });
});

import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toYaml } from './yaml.js';

const { safeLoad } = createRequire(import.meta.url)('js-yaml') as { safeLoad: (text: string) => unknown };

describe('toYaml', () => {
  it('writes nested collections', () => {
    expect(
      toYaml({ items: [{ name: 'ps-1', load: { cpu: 1.5 }, tags: ['a', 'b'] }], next: null, none: [], empty: {} }),
    ).toBe(
      `items:
  - name: ps-1
    load:
      cpu: 1.5
    tags:
      - a
      - b
next: null
none: []
empty: {}
`,
    );
  });

  it.each([
    'yes',
    'No',
    'null',
    '~',
    '1',
    '1.0.0.0',
    '0x1f',
    '1e3',
    '2026-11-29',
    ' a',
    'a ',
    'a: b',
    '- a',
    '#',
    'a #b',
    '',
    '\u0085',
    '"',
    "'",
    '!!x',
    '&a',
    '*a',
    '%',
    '@',
    '`',
    '12:30:45',
    '=',
    '<<',
    'a\nb',
    '\u2028',
  ])('writes the text %j so that it is read as the same text', (text) => {
    expect(safeLoad(toYaml({ [text || 'x']: text, list: [text] }))).toEqual({ [text || 'x']: text, list: [text] });
  });

  it('is read as the value that was written', () => {
    const text = fc.string({ unit: 'grapheme' });
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        text,
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        tie('list'),
        tie('record'),
      ),
      list: fc.array(tie('value'), { maxLength: 4 }),
      record: fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    }));
    fc.assert(
      fc.property(value, (written) => {
        expect(safeLoad(toYaml(written))).toEqual(written);
      }),
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import { recordLines } from './record.js';
import { Table, type Column } from './table.js';
import { textWidth } from './text-width.js';

interface Item {
  readonly name: string;
  readonly address: string;
  readonly state: string;
  readonly id: string | null;
}

const COLUMNS: readonly Column<Item>[] = [
  { header: 'NAME', cell: ({ name }) => name, cut: true },
  { header: 'IP', cell: ({ address }) => address, drop: 1 },
  { header: 'STATE', cell: ({ state }) => state, style: () => 'red' },
  { header: 'ID', cell: ({ id }) => id, wide: true },
];
const A: Item = { name: 'ps-a', address: '10.0.0.1', state: 'Connected', id: null };
const LONG: Item = { name: 'a-very-long-name-of-a-server', address: '10.0.0.2', state: 'Disconnected', id: 'i-2' };
const plain = (_style: string, text: string): string => text;
const AS_OF = '2026-11-29T00:00:00.000Z';

const draw = (width: number | null, isWide = false, items: readonly Item[] = [A, LONG]): string[] =>
  new Table(COLUMNS, { width, isWide, paint: plain }).lines(items, AS_OF);

describe('Table', () => {
  it('aligns columns without a terminal, and cuts nothing', () => {
    expect(draw(null)).toEqual([
      'NAME                          IP        STATE',
      'ps-a                          10.0.0.1  Connected',
      'a-very-long-name-of-a-server  10.0.0.2  Disconnected',
    ]);
  });

  it('shows the columns of the wide table, and null as a dash', () => {
    expect(draw(null, true)[1]).toBe('ps-a                          10.0.0.1  Connected     -');
  });

  it('cuts names first, then drops columns, on a narrow terminal', () => {
    expect(draw(44)[2]).toBe('a-very-long-name-of…  10.0.0.2  Disconnected');
    expect(draw(24)).toEqual(['NAME        STATE', 'ps-a        Connected', 'a-very-lo…  Disconnected']);
  });

  it.each([10, 24, 30, 40, 44, 60, 80, 200])(
    'draws no line beyond %d columns if the columns that stay allow it',
    (width) => {
      for (const line of draw(width)) expect(textWidth(line)).toBeLessThanOrEqual(Math.max(width, 8 + 2 + 12));
    },
  );

  it('prints the header once, and keeps the widths of the first rows', () => {
    const table = new Table(COLUMNS, { width: null, isWide: false, paint: plain });
    expect(table.lines([A], AS_OF)).toHaveLength(2);
    expect(table.lines([{ ...A, name: 'b' }], AS_OF)).toEqual(['b     10.0.0.1  Connected']);
  });

  it('paints cells, not headers', () => {
    const table = new Table(COLUMNS, { width: null, isWide: false, paint: (style, text) => `<${style}>${text}</>` });
    expect(table.lines([A], AS_OF)).toEqual(['NAME  IP        STATE', 'ps-a  10.0.0.1  <red>Connected</>']);
  });

  it('aligns wide and combining characters, and replaces control characters', () => {
    const lines = draw(null, false, [
      { ...A, name: '東京' },
      { ...A, name: 'e\u0301e' },
      { ...A, name: 'x\u001b[31m' },
    ]);
    expect(lines.slice(1)).toEqual([
      '東京    10.0.0.1  Connected',
      'e\u0301e      10.0.0.1  Connected',
      'x?[31m  10.0.0.1  Connected',
    ]);
  });
});

describe('recordLines', () => {
  it('shows every member, nested ones indented, and ages of timestamps', () => {
    const document = {
      hostId: 'h',
      ipAddress: '::1',
      lastHeartbeat: '2026-11-28T23:59:00.000Z',
      removeBy: null,
      health: { None: 0, NotSupported: 2 },
      errors: [{ code: 'a', level: 'b' }],
      actions: ['first', 'second'],
      none: [],
    };
    expect(recordLines(document, AS_OF)).toEqual([
      'Host ID:        h',
      'IP address:     ::1',
      'Last heartbeat: 2026-11-28T23:59:00.000Z (1m ago)',
      'Remove by:      -',
      'Health:',
      '  None:         0',
      '  NotSupported: 2',
      'Errors:',
      '  - Code:  a',
      '    Level: b',
      'Actions:',
      '  - first',
      '  - second',
      'None:           none',
    ]);
  });
});

import { cutText, padText, printable, textWidth } from './text-width.js';

export type Style = 'red' | 'green' | 'yellow';

/** One column of a table of items. */
export interface Column<Item> {
  readonly header: string;
  /** Null is shown as `-`. */
  readonly cell: (item: Item, asOf: string) => string | number | boolean | null;
  /** Only in the wide table. */
  readonly wide?: true;
  /** On a narrow terminal, the columns with the highest number go first; without a number, a column stays. */
  readonly drop?: number;
  /** On a narrow terminal, its texts may be cut. */
  readonly cut?: true;
  readonly style?: (item: Item) => Style | null;
}

export interface TableOptions {
  /** Columns of the terminal; null without one. */
  readonly width: number | null;
  readonly isWide: boolean;
  readonly paint: (style: Style, text: string) => string;
}

const GAP = '  ';
const MIN_CUT_WIDTH = 8;

/** Draws a table in pieces: the first rows decide the widths, so that a table of any length needs no memory. */
export class Table<Item> {
  private columns: readonly Column<Item>[];
  private widths: readonly number[] | null = null;

  constructor(
    columns: readonly Column<Item>[],
    private readonly options: TableOptions,
  ) {
    this.columns = columns.filter(({ wide }) => options.isWide || !wide);
  }

  /** Lines of some items; with the first ones, the header precedes them. */
  lines(items: readonly Item[], asOf: string): string[] {
    const isFirst = this.widths === null;
    const widths = (this.widths ??= this.fit(items, asOf));
    const headers = this.columns.map(({ header }) => header);
    const rows = items.map((item) =>
      this.line(
        this.columns.map((column) => textOf(column, item, asOf)),
        widths,
        item,
      ),
    );
    return isFirst ? [this.line(headers, widths, null), ...rows] : rows;
  }

  private fit(items: readonly Item[], asOf: string): readonly number[] {
    const natural = new Map(
      this.columns.map((column) => [
        column,
        Math.max(textWidth(column.header), ...items.map((item) => textWidth(textOf(column, item, asOf)))),
      ]),
    );
    const widthOf = (column: Column<Item>): number => natural.get(column) ?? 0;
    const { width } = this.options;
    if (width === null) return this.columns.map(widthOf);
    const least = (column: Column<Item>): number =>
      column.cut ? Math.min(widthOf(column), Math.max(MIN_CUT_WIDTH, textWidth(column.header))) : widthOf(column);
    const total = (size: (column: Column<Item>) => number): number =>
      this.columns.reduce((sum, column) => sum + size(column), GAP.length * (this.columns.length - 1));

    while (total(least) > width) {
      const last = Math.max(...this.columns.map(({ drop = 0 }) => drop));
      if (last === 0) break;
      this.columns = this.columns.filter(({ drop = 0 }) => drop !== last);
    }
    let spare = width - total(least);
    return this.columns.map((column) => {
      const grown = Math.min(widthOf(column), least(column) + Math.max(0, spare));
      spare -= grown - least(column);
      return grown;
    });
  }

  private line(cells: readonly string[], widths: readonly number[], item: Item | null): string {
    const { width, paint } = this.options;
    const drawn = cells.map((cell, index) => {
      const column = this.columns[index];
      const columnWidth = widths[index] ?? 0;
      const isLast = index === cells.length - 1;
      const text = width !== null && column?.cut ? cutText(cell, columnWidth) : cell;
      const style = item === null ? null : column?.style?.(item);
      const padded = isLast ? text : padText(text, columnWidth);
      return style ? paint(style, padded) : padded;
    });
    return drawn.join(GAP);
  }
}

function textOf<Item>(column: Column<Item>, item: Item, asOf: string): string {
  const value = column.cell(item, asOf);
  return value === null || value === '' ? '-' : printable(String(value));
}

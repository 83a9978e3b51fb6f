import { styleText } from 'node:util';
import type { OutputStream } from '@app/cli';
import type { Format } from '../parsed-command.js';
import { recordLines } from './record.js';
import { Table, type Column, type Style, type TableOptions } from './table.js';
import { toYaml, toYamlItems } from './yaml.js';

/** One page of a list, as the API returns it. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
  readonly asOf: string;
}

export interface ListView<Item> {
  readonly columns: readonly Column<Item>[];
  readonly name: (item: Item) => string;
  /** Instead of a table without rows. */
  readonly empty: string;
}

export interface DocumentView<Document> {
  readonly name: (document: Document) => string;
  /** The table format; by default every member with its label. */
  readonly lines?: (document: Document, table: TableOptions) => readonly string[];
}

export interface PrinterOptions {
  readonly format: Format;
  readonly stdout: OutputStream;
  /** Columns of the terminal; null without one. */
  readonly width: number | null;
  readonly hasColour: boolean;
  readonly isTerminal?: boolean;
}

/** Prints results in the chosen format. JSON and YAML have the shape of the API; the table is drawn from the same values. */
export class Printer {
  readonly format: Format;
  private readonly stdout: OutputStream;
  readonly table: TableOptions;
  /** A person reads the output. */
  readonly isTerminal: boolean;

  constructor({ format, stdout, width, hasColour, isTerminal = false }: PrinterOptions) {
    this.format = format;
    this.isTerminal = isTerminal;
    this.stdout = stdout;
    this.table = {
      width: format === 'wide' ? null : width,
      isWide: format === 'wide',
      paint: (style: Style, text: string) => (hasColour ? styleText(style, text, { validateStream: false }) : text),
    };
  }

  /** The reader of the output is gone. */
  get isClosed(): boolean {
    return this.stdout.isClosed;
  }

  async document<Document extends object>(document: Document, view: DocumentView<Document>): Promise<void> {
    const { format } = this;
    if (format === 'json') return this.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    if (format === 'yaml') return this.stdout.write(toYaml(document));
    if (format === 'name') return this.lines([view.name(document)]);
    const { asOf } = document as { asOf?: string };
    await this.lines(view.lines?.(document, this.table) ?? recordLines(document, asOf ?? new Date().toISOString()));
  }

  /** Prints pages as one list while they arrive; `asOf` and all members but the items are those of the first page. */
  async list<Item extends object>(pages: AsyncIterable<Page<Item>>, view: ListView<Item>): Promise<void> {
    const writer = this.listWriter(view);
    let asOf: string | null = null;
    let nextCursor: string | null = null;
    let isEmpty = true;
    for await (const page of pages) {
      if (asOf === null) await this.stdout.write(writer.start(headOf(page), page.asOf));
      asOf ??= page.asOf;
      nextCursor = page.nextCursor;
      if (page.items.length > 0) await this.stdout.write(writer.items(page.items, asOf, isEmpty));
      isEmpty &&= page.items.length === 0;
      if (this.isClosed) return;
    }
    await this.stdout.write(writer.end({ nextCursor, asOf: asOf ?? new Date().toISOString() }, isEmpty));
  }

  /** Prints one item of a list without end: a line of JSON, a document of YAML, or a row. */
  follow<Item extends object>(view: ListView<Item>): (items: readonly Item[], asOf: string) => Promise<void> {
    const table = new Table(view.columns, this.table);
    return async (items, asOf) => {
      if (items.length === 0) return;
      if (this.format === 'json') return this.lines(items.map((item) => JSON.stringify(item)));
      if (this.format === 'yaml') return this.stdout.write(items.map((item) => `---\n${toYaml(item)}`).join(''));
      return this.lines(this.format === 'name' ? items.map(view.name) : table.lines(items, asOf));
    };
  }

  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.stdout.write(`${lines.join('\n')}\n`);
  }

  async raw(text: string | Uint8Array): Promise<void> {
    await this.stdout.write(text);
  }

  private listWriter<Item extends object>(view: ListView<Item>): ListWriter<Item> {
    if (this.format === 'json')
      return {
        start: (head) => `{\n${jsonMembers(head)}`,
        items: (items, _asOf, isFirst) =>
          (isFirst ? '  "items": [\n    ' : ',\n    ') + items.map((item) => JSON.stringify(item)).join(',\n    '),
        end: (rest, isEmpty) =>
          `${isEmpty ? '  "items": [' : '\n  '}],${JSON.stringify(rest, null, 2).slice(1).trimEnd()}\n`,
      };
    if (this.format === 'yaml')
      return {
        start: (head) => (Object.keys(head).length > 0 ? toYaml(head) : ''),
        items: (items, _asOf, isFirst) => (isFirst ? 'items:\n' : '') + toYamlItems(items),
        end: (rest, isEmpty) => (isEmpty ? 'items: []\n' : '') + toYaml(rest),
      };
    if (this.format === 'name')
      return { start: () => '', items: (items) => `${items.map(view.name).join('\n')}\n`, end: () => '' };
    const table = new Table(view.columns, this.table);
    return {
      start: (head, asOf) =>
        recordLines(head, asOf)
          .concat(Object.keys(head).length > 0 ? [''] : [])
          .map((line) => `${line}\n`)
          .join(''),
      items: (items, asOf) => `${table.lines(items, asOf).join('\n')}\n`,
      end: (_rest, isEmpty) => (isEmpty ? `${view.empty}\n` : ''),
    };
  }
}

/** Members of a page that describe the whole list. */
function headOf<Item>(page: Page<Item>): object {
  return Object.fromEntries(Object.entries(page).filter(([name]) => !['items', 'nextCursor', 'asOf'].includes(name)));
}

const jsonMembers = (head: object): string =>
  Object.entries(head)
    .map(([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')},\n`)
    .join('');

interface ListWriter<Item> {
  readonly start: (head: object, asOf: string) => string;
  readonly items: (items: readonly Item[], asOf: string, isFirst: boolean) => string;
  readonly end: (rest: { readonly nextCursor: string | null; readonly asOf: string }, isEmpty: boolean) => string;
}

import type { EntitySchemaIndexOptions, EntitySchemaOptions } from 'typeorm';
import type { GuardedStatement } from '../connection-transaction.js';
import type { Column } from './columns.js';

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** A row by the names of the domain: `hostId` for `host_id`. */
export type DomainNames<Row> = { [Name in keyof Row & string as CamelCase<Name>]: Row[Name] };

const camelCase = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

export type RowOf<Selected extends { readonly row: unknown }> = Selected['row'];
/** A row of an outer join. */
export type Nullable<Row> = { [Name in keyof Row]: Row[Name] | null };

/** Columns of a table. `Row` is what a statement that selects them returns. */
export class Selection<Row> {
  declare readonly row: Row;
  private readonly namePairs: readonly (readonly [name: string, domainName: string])[];

  constructor(protected readonly names: readonly string[]) {
    this.namePairs = names.map((name) => [name, camelCase(name)]);
  }

  pick = <Name extends keyof Row & string>(...names: Name[]): Selection<Pick<Row, Name>> => new Selection(names);

  omit = <Name extends keyof Row & string>(...omitted: Name[]): Selection<Omit<Row, Name>> =>
    new Selection(this.names.filter((name) => !omitted.includes(name as Name)));

  /** `p.host_id, p.generation` for the alias `p`. */
  of = (alias: string): string => this.names.map((name) => `${alias}.${name}`).join(', ');

  /** `e.host_id AS hostId` for the alias `e`: rows that need no mapping. */
  named = (alias: string): string =>
    this.namePairs.map(([name, domainName]) => `${alias}.${name} AS ${domainName}`).join(', ');

  /** Adds these columns to `object`: to spread them into a literal of more than twelve properties would take 20 µs. */
  toDomain<Rest extends object>(row: Row, object: Rest): DomainNames<Row> & Rest {
    const target = object as Record<string, unknown>;
    for (const [name, domainName] of this.namePairs) target[domainName] = row[name as keyof Row];
    return object as DomainNames<Row> & Rest;
  }

  /** The reverse of `toDomain`. */
  toRow<Rest extends object>(object: DomainNames<Row>, row: Rest): Row & Rest {
    const target = row as Record<string, unknown>;
    for (const [name, domainName] of this.namePairs) target[name] = object[domainName as keyof DomainNames<Row>];
    return row as Row & Rest;
  }
}

/** The only description of a table's columns and indexes: its row type, column lists, inserts and entity follow from it. */
export class Table<Row> extends Selection<Row> {
  private readonly indices: EntitySchemaIndexOptions[] = [];

  constructor(
    readonly name: string,
    private readonly columns: { readonly [Name in keyof Row]: Column<Row[Name]> },
  ) {
    super(Object.keys(columns));
  }

  indexed(indexes: Readonly<Record<string, (keyof Row & string)[]>>, { unique = false } = {}): this {
    this.indices.push(...Object.entries(indexes).map(([name, columns]) => ({ name, columns, unique })));
    return this;
  }

  get entity(): EntitySchemaOptions<unknown> {
    const columns = this.names.map((name) => [name, this.columns[name as keyof Row].options]);
    return { name: this.name, columns: Object.fromEntries(columns) as object, indices: this.indices };
  }

  /** Writes the columns that the first row has. */
  insert(rows: readonly Partial<Row>[]): GuardedStatement {
    const [first = {}] = rows;
    const names = this.names.filter((name) => name in first) as (keyof Row & string)[];
    return {
      sql: `INSERT INTO ${this.name} (${names.join(', ')}) VALUES ?`,
      parameters: [rows.map((row) => names.map((name) => row[name]))],
      expectedRows: rows.length,
    };
  }
}

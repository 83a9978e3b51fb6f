import type { EntitySchemaColumnOptions } from 'typeorm';

/** A column as TypeORM describes it. `Value` is its type in a row. */
export class Column<Value> {
  declare readonly value: Value;

  constructor(readonly options: EntitySchemaColumnOptions) {}

  primary = (): Column<Value> => new Column({ ...this.options, primary: true });
  nullable = (): Column<Value | null> => new Column({ ...this.options, nullable: true });
  default = (value: string | number): Column<Value> => new Column({ ...this.options, default: value });
}

const ASCII = { charset: 'ascii', collation: 'ascii_bin' };
const EXACT = { charset: 'utf8mb4', collation: 'utf8mb4_bin' };
const TEXT = { charset: 'utf8mb4', collation: 'utf8mb4_unicode_520_ci' };

export const uuid = (): Column<string> => asciiChar(36);
/** Sorts after every other id. */
export const MAX_UUID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** References the entry of the host. */
export const processServerId = (foreignKey: string): Column<string> =>
  new Column({ ...uuid().options, primary: true, foreignKey: { name: foreignKey, target: 'process_server' } });
export const asciiChar = (length: number): Column<string> => new Column({ type: 'char', length, ...ASCII });
export const ascii = <Value extends string = string>(length: number): Column<Value> =>
  new Column({ type: 'varchar', length, ...ASCII });
/** Compared by its code points. */
export const exactText = (length: number): Column<string> => new Column({ type: 'varchar', length, ...EXACT });
export const text = (length: number): Column<string> => new Column({ type: 'varchar', length, ...TEXT });
export const unsigned = (type: 'tinyint' | 'smallint' | 'int' | 'bigint'): Column<number> =>
  new Column({ type, unsigned: true });
/** 0 or 1. */
export const flag = (): Column<number> => unsigned('tinyint');
export const signed = (type: 'int' | 'bigint'): Column<number> => new Column({ type });
export const double = (): Column<number> => new Column({ type: 'double' });
/** With milliseconds, in UTC. */
export const datetime = (): Column<Date> => new Column({ type: 'datetime', precision: 3 });
export const binary = (length: number): Column<Buffer> => new Column({ type: 'binary', length });
export const varbinary = (length: number): Column<Buffer> => new Column({ type: 'varbinary', length });
/** Read as a value from one server and as text from another; written as text. */
export const json = (): Column<unknown> => new Column({ type: 'json' });
export const autoIncrement = (): Column<number> =>
  new Column({ type: 'bigint', unsigned: true, generated: 'increment', primary: true });

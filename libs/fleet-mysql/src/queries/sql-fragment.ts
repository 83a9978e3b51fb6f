/** A piece of a statement with the parameters of its question marks, in order. */
export interface SqlFragment {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export const sqlFragment = (sql: string, ...parameters: unknown[]): SqlFragment => ({ sql, parameters });

/** Part of a statement with the values of its placeholders, in order. */
export interface SqlFragment {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export const sqlFragment = (sql: string, ...parameters: unknown[]): SqlFragment => ({ sql, parameters });

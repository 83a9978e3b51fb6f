/** A piece of a statement with the parameters of its question marks, in order. */
export interface Fragment {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

export const fragment = (sql: string, ...parameters: unknown[]): Fragment => ({ sql, parameters });

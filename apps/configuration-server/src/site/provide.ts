import type { FactoryProvider, InjectionToken } from '@nestjs/common';

/** An injection token with the type of its value: a class, or a symbol for anything else. */
export type Token<Value> = (abstract new (...args: never[]) => Value) | (symbol & { readonly valueType?: Value });

type Tokens<Values extends readonly unknown[]> = { readonly [Index in keyof Values]: Token<Values[Index]> };

export const createToken = <Value>(name: string): Token<Value> => Symbol(name);

/** A provider that calls `useFactory` with the values of the tokens in `inject`. */
export const provide = <Value, Values extends readonly unknown[]>(
  token: Token<Value>,
  inject: Tokens<Values>,
  useFactory: (...values: Values) => Value | Promise<Value>,
): FactoryProvider => ({ provide: token, inject: inject as unknown as InjectionToken[], useFactory });

/** A provider that calls the constructor of a class with the values of the tokens in `inject`. */
export const construct = <Values extends readonly unknown[]>(
  type: new (...values: Values) => object,
  inject: Tokens<Values>,
): FactoryProvider => ({
  provide: type,
  inject: inject as unknown as InjectionToken[],
  useFactory: (...values: Values) => new type(...values),
});

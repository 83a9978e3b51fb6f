import { validateSync } from 'class-validator';
import { fieldsOf, isValidField, type Field, type DtoClass } from './compile-validator.js';
import { firstError } from './first-error.js';
import type { FieldError } from './problem.dto.js';
import { exceedsWhole, exceedsWholeError } from './validators.js';

/** The result of reading an object. */
export interface Reading<Body> {
  /** A new object with the usable members. */
  readonly usable: Body;
  /** Ignored members, those of the class first. At most `MAX_IGNORED`. */
  readonly ignored: readonly FieldError[];
  /** Optional members of the class that are present and unusable. */
  readonly unusable: readonly (keyof Body & string)[];
  /** Required members that are missing or unusable; if there are any, the object must not be used. */
  readonly errors: readonly FieldError[];
}

/** Bounds the size of a response, which must never be a multiple of its request. */
export const MAX_IGNORED = 20;
/** In UTF-16 code units. */
const MAX_NAME_LENGTH = 64;
const INVISIBLE_CHARACTERS = /[\p{C}\p{Zl}\p{Zp}]/gu;

const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A name from a request, truncated and on one line. */
const truncateName = (name: string): string =>
  (name.length <= MAX_NAME_LENGTH ? name : `${name.slice(0, MAX_NAME_LENGTH)}…`).replace(
    INVISIBLE_CHARACTERS,
    '\ufffd',
  );

/**
 * Compiles a DTO class's decorators into a reader that keeps every usable member. The reader copies only own members that the class
 * names into new objects, so no name from a request reaches an object. It returns null for anything but a JSON object.
 * @throws Error as `compileValidator`.
 */
export function lenientReader<Body extends object>(dtoClass: new () => Body): (value: unknown) => Reading<Body> | null {
  const reader = new ObjectReader(dtoClass);
  return (value) => {
    if (!isJsonObject(value)) return null;
    const { usable, known, unknown, unusable, errors } = reader.read(value, '');
    const ignored = [...known, ...unknown].slice(0, MAX_IGNORED);
    return { usable: usable as Body, ignored, unusable: unusable as (keyof Body & string)[], errors };
  };
}

/** A usable value, and the ignored members inside it. */
interface PartialRead<Value> {
  readonly usable: Value;
  /** Unusable members of the class. */
  readonly known: FieldError[];
  /** Members unknown to the class, at most `MAX_IGNORED`. */
  readonly unknown: FieldError[];
}

interface RawReading extends PartialRead<Record<string, unknown>> {
  readonly unusable: string[];
  readonly errors: FieldError[];
}

class ObjectReader {
  private readonly fields: ReadonlyMap<string, Field>;
  private readonly nested = new Map<string, ObjectReader>();

  constructor(private readonly dtoClass: DtoClass) {
    this.fields = new Map(fieldsOf(dtoClass).map((field) => [field.name, field]));
    for (const { name, nested } of this.fields.values())
      if (nested) this.nested.set(name, new ObjectReader(nested.dtoClass));
  }

  /** `path` is the path of the object, with a trailing dot. */
  read(source: Record<string, unknown>, path: string): RawReading {
    const reading: RawReading = { usable: {}, known: [], unknown: [], unusable: [], errors: [] };
    for (const name of Object.keys(source)) {
      const field = this.fields.get(name);
      if (field) this.readMember(field, source, `${path}${name}`, reading);
      else if (reading.unknown.length < MAX_IGNORED) {
        const member = `${path}${truncateName(name)}`;
        reading.unknown.push({ field: member, message: `${member} is not known to this configuration server` });
      }
    }
    for (const { name, optional } of this.fields.values()) {
      if (!optional && !Object.hasOwn(source, name))
        reading.errors.push({ field: path + name, message: `${path}${name} is missing` });
    }
    return reading;
  }

  private readMember(field: Field, source: Record<string, unknown>, path: string, reading: RawReading): void {
    const { name, optional } = field;
    const value = source[name];
    const inside = isValidField(value, field)
      ? (this.findPartError(field, source, path) ?? this.readInside(field, value, path))
      : this.findError(field, value, path);
    if (!('usable' in inside)) {
      if (optional) reading.unusable.push(name);
      (optional ? reading.known : reading.errors).push(inside);
      return;
    }
    reading.usable[name] = inside.usable;
    reading.known.push(...inside.known);
    reading.unknown.push(...inside.unknown);
  }

  /** Why a value is no part of its whole; null if it is, or if the whole is unusable itself. */
  private findPartError({ name, partOf }: Field, source: Record<string, unknown>, path: string): FieldError | null {
    const whole = partOf === null ? undefined : this.fields.get(partOf);
    if (!whole || !isValidField(source[whole.name], whole) || !exceedsWhole(source[name], source[whole.name]))
      return null;
    return { field: path, message: exceedsWholeError(name, whole.name) };
  }

  /** The usable value, or the reason why it is unusable. */
  private readInside({ name, nested }: Field, value: unknown, path: string): PartialRead<unknown> | FieldError {
    const reader = this.nested.get(name);
    if (!nested || !reader || value === null || value === undefined) return { usable: value, known: [], unknown: [] };
    const items = nested.each ? (value as unknown[]) : [value];
    const usable: unknown[] = [];
    const known: FieldError[] = [];
    const unknown: FieldError[] = [];
    for (const [index, item] of items.entries()) {
      const itemPath = nested.each ? `${path}.${index}` : path;
      if (!isJsonObject(item)) return { field: itemPath, message: `${itemPath} must be an object` };
      const inside = reader.read(item, `${itemPath}.`);
      if (inside.errors[0]) return inside.errors[0];
      usable.push(inside.usable);
      known.push(...inside.known);
      unknown.push(...inside.unknown.slice(0, MAX_IGNORED - unknown.length));
    }
    return { usable: nested.each ? usable : usable[0], known, unknown };
  }

  /** Nested values are not passed to class-validator: the names in them could mislead it. */
  private findError({ name, nested }: Field, value: unknown, path: string): FieldError {
    const maskedValue = !nested ? value : Array.isArray(value) ? new Array(value.length) : 0;
    const errors = validateSync(Object.assign(new this.dtoClass(), { [name]: maskedValue }));
    const constraints = errors.find(({ property }) => property === name)?.constraints ?? {};
    return { field: path, message: firstError(constraints) ?? `${path} cannot be used` };
  }
}

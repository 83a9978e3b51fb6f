import { TransformationType } from 'class-transformer';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import {
  getMetadataStorage,
  type ValidationArguments,
  type ValidatorConstraintInterface,
  ValidationTypes,
} from 'class-validator';
import { exceedsWhole } from './validators.js';

export type DtoClass = new () => object;
export type Validator = (value: unknown) => boolean;

/** One member of a DTO class, as its decorators describe it. */
export interface Field {
  readonly name: string;
  readonly optional: boolean;
  /** Validators of the value itself. */
  readonly validators: readonly Validator[];
  /** The class of the value, or of each item of a list. */
  readonly nested: { readonly dtoClass: DtoClass; readonly each: boolean } | null;
  /** The member of the same object that bounds the value. */
  readonly partOf: string | null;
}

/**
 * Compiles a DTO class's decorators into one check: class-validator itself takes a tenth of the time of a registration.
 * The check is true only for bodies that class-validator accepts unchanged; class-validator decides about all others.
 * @throws Error for an unknown decorator: the server must not start with an unchecked member.
 */
export function compileValidator(dtoClass: DtoClass): Validator {
  const fields = new Map(
    fieldsOf(dtoClass).map((field) => [
      field.name,
      { ...field, validators: [...field.validators, ...nestedValidators(field)] },
    ]),
  );
  const required = [...fields.values()].filter(({ optional }) => !optional).map(({ name }) => name);
  const parts = [...fields.values()].flatMap(({ name, partOf }) => (partOf === null ? [] : [[name, partOf] as const]));
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    for (const name of required) if (!(name in value)) return false;
    for (const name in value) {
      const field = fields.get(name);
      if (!field || !isValidField((value as Record<string, unknown>)[name], field)) return false;
    }
    for (const [part, whole] of parts) {
      const members = value as Record<string, unknown>;
      if (exceedsWhole(members[part], members[whole])) return false;
    }
    return true;
  };
}

/** Whether a value passes the validators of its field; null counts as absent. */
export function isValidField(
  member: unknown,
  { optional, validators }: Pick<Field, 'optional' | 'validators'>,
): boolean {
  if (optional && (member === undefined || member === null)) return true;
  for (const validator of validators) if (!validator(member)) return false;
  return true;
}

/** The members of a DTO class. @throws Error for an unknown decorator. */
export function fieldsOf(dtoClass: DtoClass): Field[] {
  const byName = new Map<
    string,
    { optional: boolean; validators: Validator[]; nested: Field['nested']; partOf: string | null }
  >();
  for (const metadata of getMetadataStorage().getTargetValidationMetadatas(dtoClass, '', false, false)) {
    const field = byName.get(metadata.propertyName) ?? {
      optional: false,
      validators: [],
      nested: null,
      partOf: null,
    };
    byName.set(metadata.propertyName, field);
    if (
      defaultMetadataStorage.findTransformMetadatas(dtoClass, metadata.propertyName, TransformationType.PLAIN_TO_CLASS)
        .length > 0
    ) {
      throw new Error(`${dtoClass.name}.${metadata.propertyName}: an unvalidated member cannot be transformed`);
    }
    if (metadata.type === ValidationTypes.NESTED_VALIDATION)
      field.nested = { dtoClass: typeOf(dtoClass, metadata.propertyName), each: metadata.each };
    else if (metadata.name === 'isOptional') field.optional = true;
    else if (metadata.name === 'isPartOf') field.partOf = String(metadata.constraints?.[0]);
    else if (metadata.type === ValidationTypes.CUSTOM_VALIDATION && !metadata.each && !metadata.validateIf)
      field.validators.push(...decoratorValidators(metadata));
    else
      throw new Error(
        `${dtoClass.name}.${metadata.propertyName}: no compiled check for ${metadata.name ?? metadata.type}`,
      );
  }
  return [...byName].map(([name, field]) => ({ name, ...field }));
}

/** Inlined equivalents of these class-validator decorators, without its calls. */
const INLINE_VALIDATORS: Readonly<Record<string, (bound: number) => Validator>> = {
  isInt: () => Number.isInteger,
  min: (min) => (value) => typeof value === 'number' && value >= min,
  max: (max) => (value) => typeof value === 'number' && value <= max,
  maxLength: (max) => (value) => typeof value === 'string' && value.length <= max, // class-validator counts some pairs once
};

function decoratorValidators({
  name = '',
  constraintCls,
  constraints,
}: {
  name?: string;
  constraintCls: unknown;
  constraints: unknown[];
}): Validator[] {
  const direct = INLINE_VALIDATORS[name];
  if (direct) return [direct((constraints ?? [])[0] as number)];
  const validationArguments = { constraints } as ValidationArguments; // the only member that the decorators in use read
  return getMetadataStorage()
    .getTargetValidatorConstraints(constraintCls as DtoClass)
    .map(({ instance }) => instance as ValidatorConstraintInterface)
    .map((constraint) => (value: unknown) => constraint.validate(value, validationArguments) === true);
}

function typeOf(dtoClass: DtoClass, name: string): DtoClass {
  const type = defaultMetadataStorage.findTypeMetadata(dtoClass, name)?.typeFunction?.() as DtoClass | undefined;
  if (!type) throw new Error(`${dtoClass.name}.${name}: @ValidateNested without @Type`);
  return type;
}

function nestedValidators({ nested }: Field): Validator[] {
  if (!nested) return [];
  const validator = compileValidator(nested.dtoClass);
  return [nested.each ? (value) => Array.isArray(value) && value.every(validator) : validator];
}

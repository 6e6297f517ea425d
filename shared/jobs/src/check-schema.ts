import { Failure } from '@forebay/base/failure'
import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { JsonObject } from './job.ts'
import type { JobKind } from './kind.ts'

/** Longest piece of a value that an error text repeats, characters. */
const QUOTED_LENGTH_MAX = 64

const validators = new WeakMap<TSchema, Validator<Record<never, never>, TSchema>>()

/**
 * The value, when it is what the schema wants.
 *
 * @param place what the value is to the caller, `args` for instance; begins the names in error texts
 * @throws Failure `argument-invalid` that names the property and tells what is allowed
 */
export function checkSchema<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  place = '',
): Static<Schema> {
  let validator = validators.get(schema)
  if (validator === undefined) {
    validator = Compile(schema)
    validators.set(schema, validator)
  }
  if (!validator.Check(value)) {
    throw new Failure('argument-invalid', describe(validator.Errors(value), schema, place))
  }
  // The check above is what makes it true.
  return value as Static<Schema>
}

/**
 * The arguments of an order.
 *
 * @throws Failure `argument-invalid`, or what the kind's own `check` throws
 */
export function checkArgs(kind: JobKind, args: unknown): JsonObject {
  const checked = checkSchema(kind.args, args, 'args')
  const selections = ['keys', 'template', 'prefix'].filter((name) => Object.hasOwn(checked, name))
  if (selections.length > 1) {
    throw new Failure('argument-invalid', `args has ${selections.join(' and ')}: give one of them`)
  }
  // A schema of objects lets nothing through but JSON where the value was JSON.
  const order = checked as JsonObject
  kind.check?.(order)
  return order
}

type SchemaErrors = ReturnType<Validator['Errors']>

function describe(errors: SchemaErrors, schema: TSchema, place: string): string {
  const unknown = errors.find((error) => error.keyword === 'additionalProperties')
  if (unknown?.keyword === 'additionalProperties') {
    const at = nameOf(unknown.instancePath, place) || 'the body'
    const known = namesAt(schema, unknown.instancePath)
    const first = unknown.params.additionalProperties[0] ?? ''
    const takes = known.length === 0 ? 'nothing' : known.join(', ')
    return `${at} has no property "${first.slice(0, QUOTED_LENGTH_MAX)}"; it takes ${takes}`
  }
  const missing = errors.find((error) => error.keyword === 'required')
  if (missing?.keyword === 'required') {
    const at = nameOf(missing.instancePath, place)
    const names = missing.params.requiredProperties.map((name) => join(at, name))
    return `${names.join(' and ')} must be given`
  }
  return describeValue(errors, place)
}

function describeValue(errors: SchemaErrors, place: string): string {
  // Of a choice that fits nowhere, the choice itself comes after the errors of its branches.
  const error = errors.find(({ keyword }) => keyword === 'anyOf') ?? errors[0]
  if (error === undefined) return `${place} is not what is wanted here`
  const at = nameOf(error.instancePath, place) || 'the body'
  if (error.keyword === 'enum') return `${at} must be one of ${list(error.params.allowedValues)}`
  if (error.keyword !== 'anyOf') return `${at} ${error.message}`
  const branches = errors.filter(({ instancePath }) => instancePath === error.instancePath)
  const words = branches.flatMap((one) =>
    one.keyword === 'const' ? [one.params.allowedValue] : [],
  )
  if (words.length > 0) return `${at} must be one of ${list(words)}`
  const types = branches.flatMap((one) => (one.keyword === 'type' ? [one.params.type] : []))
  return `${at} must be ${types.flat().join(' or ')}`
}

function list(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(', ')
}

/** `/keys/0` under `args` is `args.keys[0]`. */
function nameOf(pointer: string, place: string): string {
  return segmentsOf(pointer).reduce(join, place)
}

function join(at: string, name: string): string {
  if (/^\d+$/.test(name)) return `${at}[${name}]`
  return at === '' ? name : `${at}.${name}`
}

function segmentsOf(pointer: string): readonly string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Names of the properties that the schema has at a place. */
function namesAt(schema: unknown, pointer: string): readonly string[] {
  const found = segmentsOf(pointer).reduce<unknown>(
    (inner, name) => fieldOf(fieldOf(inner, 'properties'), name) ?? fieldOf(inner, 'items'),
    schema,
  )
  const properties = fieldOf(found, 'properties')
  return typeof properties === 'object' && properties !== null ? Object.keys(properties) : []
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

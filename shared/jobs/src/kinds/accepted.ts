import { type TObject, type TSchema, Type } from 'typebox'

/** One way in which arguments go together. */
export interface Way {
  readonly leftOut?: readonly string[]
  readonly required?: readonly string[]
  readonly changed?: Readonly<Record<string, TSchema>>
}

/** `keys`, `template`, `prefix` or none of them. */
export const SELECTION_WAYS: readonly Way[] = [
  { leftOut: ['keys', 'template', 'prefix'] },
  { leftOut: ['template', 'prefix'], required: ['keys'] },
  { leftOut: ['keys', 'prefix'], required: ['template'] },
  { leftOut: ['keys', 'template'], required: ['prefix'] },
]

/**
 * What a schema and the check of a kind let through together, for the OpenAPI document: the ways of one
 * list with those of each other list.
 */
export function inWays(args: TObject, ...lists: readonly (readonly Way[])[]): TSchema {
  const all = lists.reduce<readonly Way[]>(
    (before, list) => before.flatMap((one) => list.map((other) => join(one, other))),
    [{}],
  )
  return Type.Union(all.map((way) => inWay(args, way)))
}

function join(one: Way, other: Way): Way {
  return {
    leftOut: [...(one.leftOut ?? []), ...(other.leftOut ?? [])],
    required: [...(one.required ?? []), ...(other.required ?? [])],
    changed: { ...one.changed, ...other.changed },
  }
}

function inWay(args: TObject, { leftOut = [], required = [], changed = {} }: Way): TSchema {
  const properties = Object.entries({ ...args.properties, ...changed })
  const missing = new Set(leftOut)
  return Type.Unsafe({
    type: 'object',
    properties: Object.fromEntries(properties.filter(([name]) => !missing.has(name))),
    required: [...new Set([...(args.required ?? []), ...required])],
    additionalProperties: false,
  })
}

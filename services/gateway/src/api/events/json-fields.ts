/** A value of parsed JSON whose shape somebody else chose. */
export type Json = unknown

/** A field of an object; `undefined` where there is none, or no object. */
export function field(value: Json, name: string): Json {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Reflect.get(value, name)
}

/** A field within fields. */
export function fieldAt(value: Json, ...names: readonly string[]): Json {
  return names.reduce<Json>((within, name) => field(within, name), value)
}

/** A text that is not empty. */
export function textAt(value: Json, ...names: readonly string[]): string | undefined {
  const found = fieldAt(value, ...names)
  return typeof found === 'string' && found !== '' ? found : undefined
}

/** The elements of an array in a field. */
export function listAt(value: Json, ...names: readonly string[]): readonly Json[] | undefined {
  const found = fieldAt(value, ...names)
  return Array.isArray(found) ? found : undefined
}

/** A time as text, ms since 1970; `undefined` where it says none. */
export function timeAt(value: Json, ...names: readonly string[]): number | undefined {
  const ms = Date.parse(textAt(value, ...names) ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

import { Failure } from '@forebay/base/failure'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/**
 * The fields of a JSON object as AIStore's decoder finds them: names match whatever their case,
 * `null` counts as absent, unknown fields are ignored, wrong types are refused.
 */
export class Fields {
  readonly #values = new Map<string, Json>()
  readonly #object: JsonObject
  readonly #path: string

  /** @throws Failure `json-malformed` when two names differ in case alone. */
  constructor(object: JsonObject, path = '') {
    this.#object = object
    this.#path = path
    for (const [name, value] of Object.entries(object)) {
      const folded = name.toLowerCase()
      if (this.#values.has(folded)) {
        throw new Failure(
          'json-malformed',
          `the key "${name.slice(0, 64)}" occurs twice in one object`,
        )
      }
      this.#values.set(folded, value)
    }
  }

  /** The value as it stands; `undefined` when absent or null. */
  json(name: string): Json | undefined {
    return this.#values.get(name.toLowerCase()) ?? undefined
  }

  text(name: string): string | undefined {
    const value = this.json(name)
    if (value === undefined || typeof value === 'string') return value
    throw this.#mistyped(name, 'a string')
  }

  flag(name: string): boolean | undefined {
    const value = this.json(name)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#mistyped(name, 'true or false')
  }

  /** A whole number within the limits, written as a number or as decimal digits in a string. */
  integer(
    name: string,
    limits: { readonly min: number; readonly max: number },
  ): number | undefined {
    const value = this.json(name)
    if (value === undefined) return undefined
    const number = typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
      throw this.#mistyped(name, 'a whole number')
    }
    if (number < limits.min || number > limits.max) {
      throw invalid(`${this.pathOf(name)} is ${number}: it must be ${limits.min}..${limits.max}`)
    }
    return number
  }

  /** A nested object; `undefined` when absent. */
  nested(name: string): Fields | undefined {
    const value = this.json(name)
    if (value === undefined) return undefined
    if (!isJsonObject(value)) throw this.#mistyped(name, 'an object')
    return new Fields(value, this.pathOf(name))
  }

  /** A list of at most `countMax` strings. */
  texts(name: string, countMax: number): readonly string[] | undefined {
    const value = this.json(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw this.#mistyped(name, 'a list of strings')
    if (value.length > countMax) throw invalid(`${this.pathOf(name)} has more than ${countMax}`)
    return value.map((item: Json) => {
      if (typeof item !== 'string') throw this.#mistyped(name, 'a list of strings')
      return item
    })
  }

  /** The object without some of its fields, names as they were written, null kept. */
  except(names: readonly string[]): JsonObject {
    return Object.fromEntries(
      Object.entries(this.#object).filter(([name]) => !names.includes(name.toLowerCase())),
    )
  }

  /** The name with the names of the objects around it. */
  pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  #mistyped(name: string, wanted: string): Failure {
    return invalid(`${this.pathOf(name)} must be ${wanted}`)
  }
}

function invalid(message: string): Failure {
  return new Failure('argument-invalid', message)
}

import { ForebayError } from './forebay-error.ts'

/** Reads fields of a JSON answer, whoever sent it; a field of another type counts as absent. */
export class Answer {
  readonly #fields: ReadonlyMap<string, unknown>

  constructor(value: unknown) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    this.#fields = new Map(isObject ? Object.entries(value) : [])
  }

  text(name: string): string | undefined {
    const value = this.#fields.get(name)
    return typeof value === 'string' ? value : undefined
  }

  /** A number, or decimal digits in a string. */
  number(name: string): number | undefined {
    const value = this.#fields.get(name)
    if (typeof value === 'number') return value
    return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : undefined
  }

  flag(name: string): boolean | undefined {
    const value = this.#fields.get(name)
    return typeof value === 'boolean' ? value : undefined
  }

  nested(name: string): Answer {
    return new Answer(this.#fields.get(name))
  }

  list(name: string): readonly Answer[] {
    return answersOf(this.#fields.get(name))
  }

  texts(name: string): readonly string[] {
    const value = this.#fields.get(name)
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
  }

  value(name: string): unknown {
    return this.#fields.get(name)
  }

  entries(): readonly (readonly [string, unknown])[] {
    return [...this.#fields]
  }
}

/** The objects of a list; null counts as an empty one. */
export function answersOf(value: unknown): readonly Answer[] {
  return Array.isArray(value) ? value.map((item: unknown) => new Answer(item)) : []
}

/** Insists on a field that an operation cannot do without. */
export function required<T>(value: T | undefined, what: string): T {
  if (value !== undefined) return value
  throw new ForebayError(`the answer has no ${what}`, {
    code: 'answer-malformed',
    status: 200,
    retryable: false,
  })
}

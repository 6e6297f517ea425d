import { Failure } from '@forebay/base/failure'
import { percentDecode } from './percent.ts'
import { badArgument } from './verbatim.ts'

/** Parameters of one request; S3's longest operation knows fewer than twenty. */
export const QUERY_PARAMETERS_MAX = 64

/** Largest number that a parameter may state: clients read it as 32 bits. */
export const WHOLE_NUMBER_MAX = 2 ** 31 - 1

/** The decoded query of a request: every name at most once. */
export type Query = ReadonlyMap<string, string>

const NO_QUERY: Query = new Map()

/**
 * Parses the part of a request target behind `?`.
 *
 * A name that comes twice is refused: two readers of the request could pick different values.
 *
 * @throws Failure `uri-invalid` | `argument-invalid`
 */
export function parseQuery(raw: string): Query {
  if (raw === '') return NO_QUERY
  const query = new Map<string, string>()
  for (const pair of raw.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    if (query.has(name)) {
      throw new Failure('argument-invalid', `the query parameter "${name}" comes more than once`)
    }
    if (query.size === QUERY_PARAMETERS_MAX) {
      throw new Failure('argument-invalid', `more than ${QUERY_PARAMETERS_MAX} query parameters`)
    }
    query.set(name, equals === -1 ? '' : decodeForm(pair.slice(equals + 1)))
  }
  return query
}

/**
 * A parameter that is a whole number, digits only.
 *
 * @returns `undefined` when it is absent
 * @throws Failure `argument-invalid` for anything else, a sign and an empty value included
 */
export function wholeNumber(query: Query, name: string): number | undefined {
  const value = query.get(name)
  if (value === undefined) return undefined
  if (/^\d{1,10}$/.test(value) && Number(value) <= WHOLE_NUMBER_MAX) return Number(value)
  throw badArgument(
    /^-\d+$/.test(value)
      ? `Argument ${value} must be an integer between 0 and ${WHOLE_NUMBER_MAX}`
      : `Provided ${value} not an integer or within integer range`,
    name,
    value,
  )
}

function decodeForm(raw: string): string {
  return percentDecode(raw.includes('+') ? raw.replaceAll('+', ' ') : raw)
}

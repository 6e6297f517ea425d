import { Failure } from '@forebay/base/failure'

/** What JSON text can say. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}

/** Brackets a request body may open inside one another; AIStore's deepest message has seven. */
export const JSON_DEPTH_MAX = 32

/**
 * Reads a JSON request body.
 *
 * Nesting is bounded before anything is built, and a key that occurs twice in one object is refused:
 * whoever authorises and whoever acts then cannot read two different messages. `__proto__` and
 * `constructor` are ordinary keys of the result, never its prototype.
 *
 * @throws Failure `json-malformed`
 */
export function parseJson(text: string): Json {
  checkStructure(text)
  try {
    // JSON.parse is typed `any`; it builds exactly the values of `Json`.
    const value: Json = JSON.parse(text)
    return value
  } catch (cause) {
    throw malformed('the body is not valid JSON', cause)
  }
}

/** True for a JSON object: not null, not an array. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One object or array that is open at the place the scan has reached. */
interface Level {
  /** Keys seen; absent in an array. */
  readonly keys: Set<string> | undefined
  /** True where the next string is a key. */
  expectsKey: boolean
}

/** One pass over the text that looks at brackets and keys only; JSON.parse judges the rest. */
function checkStructure(text: string): void {
  const open: Level[] = []
  let at = 0
  while (at < text.length) {
    const level = open.at(-1)
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        open.push(openLevel(text.charCodeAt(at) === 0x7b, open.length))
        break
      case 0x7d: // }
      case 0x5d: // ]
        open.pop()
        break
      case 0x2c: // ,
        if (level?.keys !== undefined) level.expectsKey = true
        break
      case 0x22: {
        const end = endOfString(text, at)
        if (level?.keys !== undefined && level.expectsKey) {
          level.expectsKey = false
          addKey(level.keys, text.slice(at, end + 1))
        }
        at = end
        break
      }
      default:
    }
    at += 1
  }
}

function openLevel(isObject: boolean, depth: number): Level {
  if (depth >= JSON_DEPTH_MAX) {
    throw malformed(`the body is nested deeper than ${JSON_DEPTH_MAX} levels`)
  }
  return { keys: isObject ? new Set() : undefined, expectsKey: isObject }
}

function addKey(keys: Set<string>, quoted: string): void {
  const key = quoted.includes('\\') ? unescapeKey(quoted) : quoted.slice(1, -1)
  if (keys.has(key)) throw malformed(`the key "${key.slice(0, 64)}" occurs twice in one object`)
  keys.add(key)
}

/** The key that the escapes mean, so that `"\u0061ction"` counts as `"action"`. */
function unescapeKey(quoted: string): string {
  try {
    const key: Json = JSON.parse(quoted)
    return String(key)
  } catch (cause) {
    throw malformed('the body is not valid JSON', cause)
  }
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length) {
    const unit = text.charCodeAt(at)
    if (unit === 0x22) return at
    at += unit === 0x5c ? 2 : 1
  }
  throw malformed('the body is not valid JSON: a string does not end')
}

function malformed(message: string, cause?: unknown): Failure {
  return new Failure('json-malformed', message, { cause })
}

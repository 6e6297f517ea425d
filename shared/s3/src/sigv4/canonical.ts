/**
 * The canonical forms over which Signature Version 4 is computed (Amazon S3 API reference,
 * "Authenticating Requests: AWS Signature Version 4"). Requests are bytes; here they are strings
 * with one character per byte (latin1), which is how Node hands over targets and header values.
 */
import { hash } from 'node:crypto'
import { Failure } from '@forebay/base/failure'

/** Signature algorithm, the only one that is accepted and produced. */
export const ALGORITHM = 'AWS4-HMAC-SHA256'

/** SHA-256 of no bytes. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

const PERCENT = 0x25
const PLUS = 0x2b
const SLASH = 0x2f

/** 1 for the bytes that stand for themselves (RFC 3986 §2.3). */
const UNRESERVED = new Uint8Array(256)
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
  UNRESERVED[character.charCodeAt(0)] = 1
}

const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
)

/** A query parameter in canonical encoding. */
export interface QueryParameter {
  readonly name: string
  readonly value: string
}

/** Path and query of a request target, as they stand on the wire; the query without its `?`. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?')
  if (mark === -1) return { path: target, query: '' }
  return { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/**
 * The parameters of a raw query, in its order, each canonically encoded: decoded once and encoded
 * again, `+` read as a space. An escape in lower-case hexadecimal stays as it is: it then matches
 * only where the signer signed it so, and no byte of a signed query can change unnoticed. An empty
 * segment (`a&&b`) is a parameter without name for the same reason.
 *
 * @throws Failure `uri-invalid` at a broken escape
 */
export function parseQuery(query: string): QueryParameter[] {
  if (query === '') return []
  return query.split('&').map((segment) => {
    const equals = segment.indexOf('=')
    if (equals === -1) return { name: canonicalComponent(segment), value: '' }
    return {
      name: canonicalComponent(segment.slice(0, equals)),
      value: canonicalComponent(segment.slice(equals + 1)),
    }
  })
}

/** The canonical query string: sorted by name, then value, and without the signature itself. */
export function canonicalQuery(parameters: readonly QueryParameter[]): string {
  if (parameters.length === 0) return ''
  const sorted = isSorted(parameters) ? parameters : parameters.toSorted(byNameThenValue)
  let text = ''
  for (const { name, value } of sorted) {
    if (name === 'X-Amz-Signature') continue
    text += text === '' ? `${name}=${value}` : `&${name}=${value}`
  }
  return text
}

/**
 * The path with every byte encoded that may be, or undefined where nothing is to be encoded.
 *
 * S3 signs the path as it stands on the wire. But the AWS SDK for C++ (and so pyarrow) sends
 * `$ & , : = @` as they are and signs them encoded, which S3 accepts because it encodes the decoded
 * path again. Escapes are left alone, so two paths of one length never meet here.
 */
export function fullyEncodedPath(path: string): string | undefined {
  let text = ''
  let kept = 0
  for (let index = 0; index < path.length; index++) {
    const code = path.charCodeAt(index)
    if (UNRESERVED[code] === 1 || code === SLASH || code === PERCENT) continue
    text += path.slice(kept, index) + escapeByte(code)
    kept = index + 1
  }
  return kept === 0 ? undefined : text + path.slice(kept)
}

/** The value of a header as it is signed: trimmed, runs of spaces as one space. */
export function canonicalHeaderValue(value: string): string {
  const first = value.charCodeAt(0)
  const final = value.charCodeAt(value.length - 1)
  const padded = first === 0x20 || first === 0x09 || final === 0x20 || final === 0x09
  const trimmed = padded ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value
  return trimmed.includes('  ') ? trimmed.replace(/ {2,}/g, ' ') : trimmed
}

/** What a canonical request is made of; every part is canonical already. */
export interface CanonicalParts {
  readonly method: string
  readonly path: string
  readonly query: string
  /** `name:value\n` of each signed header, in the order of `signedHeaders`. */
  readonly headers: string
  /** Lower-case names, joined by `;`. */
  readonly signedHeaders: string
  /** The value of x-amz-content-sha256. */
  readonly payload: string
}

/** The string to sign for a request at `timestamp` (`20260131T235959Z`) in `scope`. */
export function stringToSign(parts: CanonicalParts, timestamp: string, scope: string): string {
  const request = `${parts.method}\n${parts.path}\n${parts.query}\n${parts.headers}\n${parts.signedHeaders}\n${parts.payload}`
  return `${ALGORITHM}\n${timestamp}\n${scope}\n${sha256OfLatin1(request)}`
}

/** Text as one name or value of a query: UTF-8, everything but unreserved characters encoded. */
export function encodeComponent(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (character) =>
    escapeByte(character.charCodeAt(0)),
  )
}

/** Text as a path of a request target: like `encodeComponent`, with `/` kept. */
export function encodePath(text: string): string {
  return encodeComponent(text).replaceAll('%2F', '/')
}

function canonicalComponent(text: string): string {
  let out = ''
  let kept = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (UNRESERVED[code] === 1) continue
    if (code === PERCENT) {
      const byte = escapedByte(text, index)
      if (UNRESERVED[byte] === 1 && ESCAPES[byte] === text.slice(index, index + 3)) {
        out += text.slice(kept, index) + String.fromCharCode(byte)
        kept = index + 3
      }
      index += 2
      continue
    }
    out += text.slice(kept, index) + (code === PLUS ? '%20' : escapeByte(code))
    kept = index + 1
  }
  return kept === 0 ? text : out + text.slice(kept)
}

function escapedByte(text: string, index: number): number {
  const high = hexDigit(text.charCodeAt(index + 1))
  const low = hexDigit(text.charCodeAt(index + 2))
  if (high === -1 || low === -1) {
    throw new Failure('uri-invalid', 'the query has a % that two hexadecimal digits do not follow')
  }
  return high * 16 + low
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function escapeByte(code: number): string {
  const escaped = ESCAPES[code]
  if (escaped === undefined) throw new Failure('uri-invalid', 'the request target is not bytes')
  return escaped
}

/** Most signers send the parameters as they signed them. */
function isSorted(parameters: readonly QueryParameter[]): boolean {
  let previous: QueryParameter | undefined
  for (const parameter of parameters) {
    if (previous !== undefined && byNameThenValue(previous, parameter) > 0) return false
    previous = parameter
  }
  return true
}

/** By code unit, which for encoded (ASCII) text is by byte. */
function byNameThenValue(one: QueryParameter, other: QueryParameter): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1
  if (one.value === other.value) return 0
  return one.value < other.value ? -1 : 1
}

function sha256OfLatin1(text: string): string {
  // A string is hashed as UTF-8, which is the same bytes only while all are ASCII.
  const ascii = Buffer.byteLength(text) === text.length
  return hash('sha256', ascii ? text : Buffer.from(text, 'latin1'), 'hex')
}

import { Failure } from '@forebay/base/failure'

const HIGH_BYTE = /[\x80-\xff]/g
const ENCODED = /[%\x80-\xff]/
const UNRESERVED_ONLY = /^[A-Za-z0-9\-_.~/]*$/

/**
 * Decodes a part of a request target once: `%XX` and raw bytes above 0x7f, together as UTF-8.
 *
 * `+` stays: it means a space in queries only.
 *
 * @param raw one character per byte, as Node hands the request line over
 * @throws Failure `uri-invalid` for a broken escape or bytes that are not UTF-8
 */
export function percentDecode(raw: string): string {
  if (!ENCODED.test(raw)) return raw
  try {
    // decodeURIComponent refuses broken escapes, overlong forms and surrogates by itself.
    return decodeURIComponent(raw.replace(HIGH_BYTE, escapeByte))
  } catch (cause) {
    throw new Failure('uri-invalid', 'the request target is not percent-encoded UTF-8', { cause })
  }
}

/**
 * Encodes a key as `encoding-type=url` has it: everything but letters, digits, `-_.~` and `/`.
 *
 * A space becomes `%20`, which every client's decoder reads, also those that leave `+` alone.
 */
export function percentEncode(value: string): string {
  if (UNRESERVED_ONLY.test(value)) return value
  return encodeURIComponent(value.toWellFormed())
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, escapeByte)
}

function escapeByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

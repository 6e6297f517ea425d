import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'

/**
 * Checks an object key: 1..1,024 bytes of UTF-8, no NUL, well formed.
 *
 * Nothing else is refused: `//`, `.`, `..`, a trailing `/` and a key that is a prefix of another are
 * ordinary names of the S3 API.
 *
 * @throws Failure `key-invalid` | `key-too-long`
 */
export function checkKey(key: string): string {
  if (key === '') throw new Failure('key-invalid', 'the object key is empty')
  if (key.includes('\0')) throw new Failure('key-invalid', 'the object key contains a NUL byte')
  if (!key.isWellFormed()) throw new Failure('key-invalid', 'the object key is not valid UTF-8')
  if (key.length > KEY_BYTES_MAX || Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new Failure(
      'key-too-long',
      `the object key is longer than ${KEY_BYTES_MAX} bytes of UTF-8`,
    )
  }
  return key
}

/** Bytes of one segment of a path that file systems hold. */
const SEGMENT_BYTES_MAX = 255

/**
 * Checks that a key, itself valid, is also the path of a file, or with a `/` at its end of a folder:
 * its segments are neither empty nor `.` nor `..`, and of 255 bytes at most.
 *
 * @throws Failure `key-not-portable`
 */
export function checkPortableKey(key: string): string {
  const path = key.endsWith('/') ? key.slice(0, -1) : key
  for (const segment of path.split('/')) {
    if (segment === '') throw notPortable('it has an empty segment')
    if (segment === '.' || segment === '..') throw notPortable(`it has the segment "${segment}"`)
    if (Buffer.byteLength(segment) > SEGMENT_BYTES_MAX) {
      throw notPortable(`it has a segment of more than ${SEGMENT_BYTES_MAX} bytes`)
    }
  }
  return key
}

function notPortable(why: string): Failure {
  return new Failure('key-not-portable', `the object key is no path of a file system: ${why}`, {
    hint: 'The setting s3.portableKeys of the node allows no such keys.',
  })
}

/** The order of S3 listings: by bytes of UTF-8, which differs from JavaScript's order by UTF-16 units. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x !== y) return rankUnit(x) - rankUnit(y)
  }
  return a.length - b.length
}

/** Surrogates encode U+10000 and above and sort behind U+E000..U+FFFF in UTF-8. */
function rankUnit(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

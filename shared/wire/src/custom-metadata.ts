import { Failure } from '@forebay/base/failure'
import { METADATA_BYTES_MAX } from '@forebay/base/limits'
import type { BucketRef } from '@forebay/model/bucket'
import type { ObjectAttributes, UserMetadata } from '@forebay/model/object'

/**
 * Reads the values of the repeated header `Ais-Custom-Md`, each `key=value`. Names are kept in lower
 * case, as S3 metadata is, so that both doors show the same ones.
 *
 * @throws Failure `argument-invalid` | `metadata-too-large`
 */
export function decodeCustomMetadata(pairs: readonly string[]): UserMetadata {
  const metadata = new Map<string, string>()
  let bytes = 0
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, at).trim().toLowerCase()
    if (at < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      throw new Failure('argument-invalid', 'Ais-Custom-Md must be key=value with a plain key')
    }
    const value = pair.slice(at + 1)
    bytes += name.length + Buffer.byteLength(value)
    if (bytes > METADATA_BYTES_MAX) {
      throw new Failure(
        'metadata-too-large',
        `custom metadata is longer than ${METADATA_BYTES_MAX} bytes`,
      )
    }
    metadata.set(name, value)
  }
  return Object.freeze(Object.fromEntries(metadata))
}

/** Custom metadata as AIStore names it, `key=value` each: what the backend said, then the user's own. */
export function encodeCustomMetadata(ref: BucketRef, object: ObjectAttributes): readonly string[] {
  const user = Object.entries(object.metadata)
  if (ref.provider === 'ais' && object.validators === undefined) return user.map(pair)
  const { versionId } = object.validators ?? {}
  const date = new Date(object.lastModifiedMs)
  const md5 = object.checksums.find((sum) => sum.algorithm === 'md5' && sum.kind === 'whole')
  return [
    pair(['source', ref.provider === 'ais' ? 'aws' : ref.provider]),
    pair(['ETag', object.etag]),
    pair(['Last-Modified', date.toUTCString()]),
    pair(['LastModified', date.toISOString().replace(/\.\d{3}Z$/, 'Z')]),
    ...(versionId === undefined || versionId === '' ? [] : [pair(['version', versionId])]),
    ...(md5 === undefined ? [] : [pair(['md5', md5.hex])]),
    ...(object.headers.contentType === undefined
      ? []
      : [pair(['Content-Type', object.headers.contentType])]),
    ...user.map(([name, value]) => pair([`X-Amz-Meta-${titleCase(name)}`, value])),
  ]
}

function pair([name, value]: readonly [string, string]): string {
  return `${name}=${value}`
}

/** `my-key` as Go writes header names: `My-Key`. */
function titleCase(name: string): string {
  return name.replace(
    /(^|-)([a-z])/g,
    (_, dash: string, letter: string) => dash + letter.toUpperCase(),
  )
}

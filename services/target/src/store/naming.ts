import { createHash } from 'node:crypto'
import type { BucketRecord } from '@forebay/model/bucket'

/**
 * Where the bytes of a key lie below a mountpath:
 *
 *     <provider>/<namespace or @>/<bucket>.<bucket id>/<key...>
 *
 * so that `tar` and `rsync` take data out as it is. The bucket id is in the directory's name: a bucket
 * that is made again under its old name never meets old files. A key that a file system cannot spell
 * lies under a hash of it, in a directory that no plain key can name; the record's location knows.
 */

/** Directory of the store's own files below a mountpath, and of hashed names below a bucket. */
export const RESERVED_NAME = '.forebay'

/** Longest path component that Linux file systems take, bytes. */
export const COMPONENT_BYTES_MAX = 255

/** Longest plain path below a mountpath, bytes: with the mountpath's own it stays under PATH_MAX (4,096). */
export const PLAIN_PATH_BYTES_MAX = 2048

/** Directory of the bucket's files, relative to a mountpath. */
export function bucketDirectory(bucket: BucketRecord): string {
  const { provider, namespace, name } = bucket.ref
  const space =
    namespace.uuid === '' && namespace.name === ''
      ? '@'
      : `@${escapeName(namespace.uuid)}#${escapeName(namespace.name)}`
  return `${provider}/${space}/${escapeName(name)}.${bucket.id}`
}

/** True when every component of the key can be a file name and none is ours. */
export function isPlainKey(key: string): boolean {
  if (key.startsWith(`${RESERVED_NAME}/`) || key === RESERVED_NAME) return false
  if (Buffer.byteLength(key) > PLAIN_PATH_BYTES_MAX) return false
  for (const component of key.split('/')) {
    if (component === '' || component === '.' || component === '..') return false
    if (component.includes('\0')) return false
    // 85: the most UTF-16 units that certainly fit, three bytes each.
    if (component.length > 85 && Buffer.byteLength(component) > COMPONENT_BYTES_MAX) return false
  }
  return true
}

/** Path of the key's file when its own name will do; two keys never share one. */
export function plainPath(bucket: BucketRecord, key: string): string {
  return `${bucketDirectory(bucket)}/${key}`
}

/** Path for a key whose own name will not do. */
export function hashedPath(bucket: BucketRecord, key: string): string {
  const hash = createHash('sha256').update(key).digest('hex')
  return `${bucketDirectory(bucket)}/${RESERVED_NAME}/${hash.slice(0, 2)}/${hash}`
}

/** The path to try first. */
export function preferredPath(bucket: BucketRecord, key: string): string {
  return isPlainKey(key) ? plainPath(bucket, key) : hashedPath(bucket, key)
}

/** True for errors of `rename` and `mkdir` that say the plain name is taken by a file or directory. */
export function isNameCollision(code: string | undefined): boolean {
  switch (code) {
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
    case 'ENAMETOOLONG':
    case 'ELOOP':
    case 'EINVAL':
    case 'EILSEQ':
      return true
    default:
      return false
  }
}

/** Percent-encodes what may not stand in one path component. */
function escapeName(name: string): string {
  return encodeURIComponent(name).replaceAll('*', '%2A')
}

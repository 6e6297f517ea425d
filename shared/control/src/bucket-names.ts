import { Failure } from '@forebay/base/failure'
import type { BackendBinding, BucketRef } from '@forebay/model/bucket'

/** Longest name of a bucket, characters: old S3 buckets have up to 255, and a file name no more. */
export const BUCKET_NAME_LENGTH_MAX = 255

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/

/**
 * Checks what every provider must keep: the name becomes a directory. Doors may be stricter.
 *
 * @throws Failure `bucket-name-invalid`
 */
export function checkRef(ref: BucketRef): void {
  checkName('bucket name', ref.name)
  const { uuid, name } = ref.namespace
  if (uuid !== '') checkName('namespace uuid', uuid)
  if (name !== '') checkName('namespace', name)
}

/** @throws Failure `bucket-name-invalid` */
export function checkAlias(alias: string): void {
  checkName('alias', alias)
}

/** @throws Failure `bucket-name-invalid` | `argument-invalid` */
export function checkBackend(backend: BackendBinding): void {
  const { provider, bucket, endpoint } = backend
  if (provider !== 'http') checkName('bucket name at the backend', bucket)
  else if (!isPlainUrl(bucket) || !bucket.endsWith('/')) {
    throw new Failure(
      'bucket-name-invalid',
      'a directory of a web server is an http:// or https:// URL with a slash at its end, without credentials',
    )
  }
  if (endpoint === undefined || isPlainUrl(endpoint)) return
  throw new Failure(
    'argument-invalid',
    'the endpoint of a backend must be an http:// or https:// URL without credentials',
  )
}

function isPlainUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false
  return url.username === '' && url.password === ''
}

function checkName(what: string, name: string): void {
  if (name.length > BUCKET_NAME_LENGTH_MAX) {
    throw new Failure(
      'bucket-name-invalid',
      `a ${what} has at most ${BUCKET_NAME_LENGTH_MAX} characters`,
    )
  }
  if (!NAME.test(name) || name.includes('..')) {
    throw new Failure(
      'bucket-name-invalid',
      `${what} ${JSON.stringify(name.slice(0, 80))} may have letters, digits, "-", "_" and single "." only`,
    )
  }
}

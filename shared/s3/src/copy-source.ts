import { Failure, isFailure } from '@forebay/base/failure'
import { checkKey } from '@forebay/model/key'
import { isNewBucketName } from './bucket-name.ts'
import { percentDecode } from './percent.ts'
import { header, type RequestHeaders } from './request-headers.ts'
import { badArgument } from './verbatim.ts'

const NAME = 'x-amz-copy-source'

/** The object that a copy reads. */
export interface CopySource {
  readonly bucket: string
  readonly key: string
}

/**
 * Reads `x-amz-copy-source`: `bucket/key` or `/bucket/key`, percent-encoded.
 *
 * @throws Failure `argument-invalid` | `key-too-long` | `not-implemented` for versions and access points
 */
export function parseCopySource(headers: RequestHeaders): CopySource {
  const raw = header(headers, NAME) ?? ''
  const mark = raw.lastIndexOf('?versionId=')
  if (mark !== -1 && raw.slice(mark) !== '?versionId=null') {
    throw new Failure('not-implemented', 'copies of named versions are not supported')
  }
  const path = mark === -1 ? raw : raw.slice(0, mark)
  if (path.startsWith('arn:')) {
    throw new Failure('not-implemented', 'copies from access points are not supported')
  }
  const begin = path.startsWith('/') ? 1 : 0
  // Some clients encode the slash between bucket and key too.
  const decoded = decode(path.slice(begin))
  const slash = decoded.indexOf('/')
  if (slash < 1 || slash === decoded.length - 1) {
    throw badArgument('Invalid copy source object key', NAME, '')
  }
  return { bucket: decoded.slice(0, slash), key: checkSourceKey(decoded.slice(slash + 1)) }
}

/**
 * What is to be said of a source whose bucket does not exist, where the source itself cannot be one:
 * its bucket has a name that S3 does not give, or its key, read as a path, names nothing below the
 * bucket. Undefined when only the bucket is missing.
 *
 * A source whose bucket does exist is never refused for that: such keys are keys here.
 */
export function whyNoSource(source: CopySource): Failure | undefined {
  if (!isNewBucketName(source.bucket)) {
    return badArgument('Invalid copy source bucket name', NAME, `${source.bucket}/${source.key}`)
  }
  if (leavesBucket(source.key)) {
    return badArgument('Invalid copy source object key', NAME, source.key)
  }
  return undefined
}

/**
 * Reads `x-amz-copy-source-range`: `bytes=first-last`, both ends given.
 *
 * @throws Failure `argument-invalid`
 */
export function parseCopySourceRange(
  headers: RequestHeaders,
): { readonly first: number; readonly last: number } | undefined {
  const value = header(headers, 'x-amz-copy-source-range')
  if (value === undefined) return undefined
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(value.trim())
  const first = Number(match?.[1])
  const last = Number(match?.[2])
  if (match === null || first > last) {
    throw badArgument(
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      'x-amz-copy-source-range',
      value,
    )
  }
  return { first, last }
}

function decode(raw: string): string {
  try {
    return percentDecode(raw)
  } catch (error) {
    if (!isFailure(error, 'uri-invalid')) throw error
    throw badArgument('Invalid copy source encoding', NAME, raw)
  }
}

/** True when the segments of a key lead to the bucket itself or above it: `.`, `a/../../b`. */
function leavesBucket(key: string): boolean {
  let depth = 0
  for (const segment of key.split('/')) {
    if (segment === '' || segment === '.') continue
    depth += segment === '..' ? -1 : 1
    if (depth < 0) return true
  }
  return depth === 0
}

function checkSourceKey(key: string): string {
  try {
    return checkKey(key)
  } catch (error) {
    if (!isFailure(error, 'key-invalid')) throw error
    throw new Failure('argument-invalid', `x-amz-copy-source: ${error.message}`, { cause: error })
  }
}

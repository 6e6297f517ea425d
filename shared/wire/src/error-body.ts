import { CATALOGUE, type Failure, type FailureCode } from '@forebay/base/failure'
import { type BucketRef, formatBucket } from '@forebay/model/bucket'
import type { JsonObject } from './json.ts'

/** Where a failure happened, as the answer tells it. */
export interface ErrorPlace {
  readonly method: string
  /** Path without the query, so that no presigned signature is echoed. */
  readonly path: string
  /** Address of the socket, `ip:port`. */
  readonly remoteAddress: string
  readonly nodeId: string
  readonly requestId: string
  /** What the request was about, as far as it was understood. */
  readonly bucket?: BucketRef | undefined
  readonly key?: string | undefined
}

/** Codes whose class the Python client finds by searching the text for `provider://bucket[/object]`. */
const STANDARD_TEXT: Partial<Record<FailureCode, (bucket: string, key: string) => string>> = {
  'bucket-not-found': (bucket) => `bucket "${bucket}" does not exist`,
  'bucket-exists': (bucket) => `bucket "${bucket}" already exists`,
  'object-not-found': (bucket, key) => `${bucket}/${key} does not exist`,
  'version-not-found': (bucket, key) => `${bucket}/${key} does not exist in this version`,
}

/**
 * AIStore's error body, with our code, hint and request id behind its fields.
 *
 * Go finds the class by `tcode`, Python by status and text, so texts about buckets and objects are
 * AIStore's own.
 */
export function encodeError(failure: Failure, place: ErrorPlace): JsonObject {
  const { status, type, retry } = CATALOGUE[failure.code]
  return {
    tcode: classOf(failure.code, type, place),
    message: describe(failure, place),
    method: place.method,
    url_path: place.path,
    remote_addr: place.remoteAddress,
    caller: '',
    node: `p[${place.nodeId}]`,
    status,
    code: failure.code,
    retryable: retry,
    requestId: place.requestId,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  }
}

/** A bucket of a cloud that does not exist has a class of its own; objects are plain "not found". */
function classOf(code: FailureCode, type: string, place: ErrorPlace): string {
  if (type === 'ErrObjNotFound') return 'ErrNotFound'
  if (code === 'not-implemented') return 'ErrUnsupp'
  const isRemote = place.bucket !== undefined && place.bucket.provider !== 'ais'
  return code === 'bucket-not-found' && isRemote ? 'ErrRemoteBckNotFound' : type
}

function describe(failure: Failure, place: ErrorPlace): string {
  const text = STANDARD_TEXT[failure.code]
  if (text === undefined || place.bucket === undefined) return failure.message
  const { member } = failure.facts
  const told = text(formatBucket(place.bucket), place.key ?? '')
  // Of an archive that is there it is the member that is not.
  return member === undefined ? told : `${member} in ${told}`
}

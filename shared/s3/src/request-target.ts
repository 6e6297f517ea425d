import { Failure } from '@forebay/base/failure'
import { checkKey } from '@forebay/model/key'
import { percentDecode } from './percent.ts'
import { parseQuery, type Query } from './query.ts'

/** Longest request target, bytes: a prefix and a marker of 1,024 escaped bytes and a token fit. */
export const TARGET_BYTES_MAX = 8 * 1024

/** First path segments that other doors own; refused as names of new buckets. */
export const RESERVED_SEGMENTS: ReadonlySet<string> = new Set([
  'v1',
  's3',
  'metrics',
  'ui',
  'ais',
  'gs',
  'az',
  'aws',
  'gcp',
  'azure',
])

/** What a request is about, decoded once; authorisation and storage see these same values. */
export interface RequestTarget {
  /** As the client wrote it, without the query: for messages. */
  readonly rawPath: string
  /** Absent for the service itself. Not checked against the rules for names. */
  readonly bucket: string | undefined
  /** Absent for the bucket itself; checked. */
  readonly key: string | undefined
  readonly query: Query
}

/**
 * Reads bucket, key and query out of a raw request target, in path style (at the root or under
 * `/s3`) or in virtual-host style.
 *
 * @param raw origin form, as it stands in the request line
 * @param hostBucket the bucket that the Host header names, where it names one
 * @throws Failure `uri-invalid` | `key-invalid` | `key-too-long` | `argument-invalid`
 */
export function parseRequestTarget(raw: string, hostBucket?: string): RequestTarget {
  if (raw.charCodeAt(0) !== 0x2f) {
    throw new Failure('uri-invalid', 'the request target does not begin with a slash')
  }
  if (raw.length > TARGET_BYTES_MAX) {
    throw new Failure('uri-invalid', `the request target is longer than ${TARGET_BYTES_MAX} bytes`)
  }
  const mark = raw.indexOf('?')
  const rawPath = mark === -1 ? raw : raw.slice(0, mark)
  const query = parseQuery(mark === -1 ? '' : raw.slice(mark + 1))
  if (hostBucket !== undefined) {
    return { rawPath, bucket: hostBucket, key: decodeKey(rawPath.slice(1)), query }
  }
  const begin = rawPath.startsWith('/s3/') || rawPath === '/s3' ? 4 : 1
  const slash = rawPath.indexOf('/', begin)
  const rawBucket = slash === -1 ? rawPath.slice(begin) : rawPath.slice(begin, slash)
  const key = slash === -1 ? undefined : decodeKey(rawPath.slice(slash + 1))
  if (rawBucket === '') {
    if (slash !== -1) throw new Failure('bucket-name-invalid', 'the bucket name is empty')
    return { rawPath, bucket: undefined, key: undefined, query }
  }
  return { rawPath, bucket: percentDecode(rawBucket), key, query }
}

/**
 * The bucket that a Host header names below one of the base domains.
 *
 * @param baseDomains lower case, without port
 */
export function bucketOfHost(
  host: string | undefined,
  baseDomains: readonly string[],
): string | undefined {
  if (host === undefined || baseDomains.length === 0) return undefined
  const name = host.replace(/:\d*$/, '').toLowerCase()
  let found: string | undefined
  for (const domain of baseDomains) {
    // Of two base domains that both match, the longer one leaves the shorter bucket name.
    if (name.length > domain.length + 1 && name.endsWith(`.${domain}`)) {
      const bucket = name.slice(0, -domain.length - 1)
      if (found === undefined || bucket.length < found.length) found = bucket
    }
  }
  return found
}

function decodeKey(raw: string): string | undefined {
  return raw === '' ? undefined : checkKey(percentDecode(raw))
}

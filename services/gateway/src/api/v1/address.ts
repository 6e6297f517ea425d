import { Failure } from '@forebay/base/failure'
import type { BucketRecord, BucketRef } from '@forebay/model/bucket'
import { checkKey } from '@forebay/model/key'
import { percentDecode } from '@forebay/s3/percent'
import { checkBucketName, parseNamespace, parseProvider } from '@forebay/wire/bucket'
import type { V1Need, WantedBucket } from './context.ts'
import type { Exchange } from './exchange.ts'

/** The path behind `/v1/buckets/` or `/v1/objects/`: bucket, and key where there is one. Undecoded. */
export interface RawAddress {
  readonly bucket: string
  readonly key: string | undefined
}

/** Splits the raw path once, so that an escaped slash never separates. */
export function splitPath(rawPath: string, prefix: string): RawAddress {
  const rest = rawPath.slice(prefix.length)
  const slash = rest.indexOf('/')
  if (slash === -1) return { bucket: rest, key: undefined }
  const key = rest.slice(slash + 1)
  return { bucket: rest.slice(0, slash), key: key === '' ? undefined : key }
}

/**
 * Bucket of a request, from its path and the query's `provider` and `namespace`.
 *
 * @throws Failure `bucket-name-invalid` | `argument-invalid`
 */
export function wantedBucket(exchange: Exchange, rawName: string): WantedBucket {
  const { query } = exchange
  const provider = query.get('provider')
  const wanted: WantedBucket = {
    name: checkBucketName(percentDecode(rawName)),
    provider: provider === undefined ? undefined : parseProvider(provider),
    namespace: parseNamespace(query.get('namespace') ?? ''),
    lookUp: true,
    need: 'read',
  }
  exchange.bucket = refOf(wanted)
  return wanted
}

/** The identity that a request without a provider means when it makes a bucket: a native one. */
export function refOf(wanted: WantedBucket): BucketRef {
  return {
    provider: wanted.provider ?? 'ais',
    namespace: wanted.namespace,
    name: wanted.name,
  }
}

/** The bucket of a request, when the caller may use it so. */
export function openBucket(
  exchange: Exchange,
  rawName: string,
  need: V1Need,
): Promise<BucketRecord> {
  return open(exchange, { ...wantedBucket(exchange, rawName), need })
}

/** The bucket of a request if the table has it; a backend is not asked. */
export function openKnownBucket(
  exchange: Exchange,
  rawName: string,
  need: V1Need,
): Promise<BucketRecord> {
  return open(exchange, { ...wantedBucket(exchange, rawName), need, lookUp: false })
}

async function open(exchange: Exchange, wanted: WantedBucket): Promise<BucketRecord> {
  const record = await exchange.context.resolveBucket(wanted, exchange.raw, exchange.signal)
  exchange.bucket = record.ref
  return record
}

/**
 * The key of a request: the rest of the path, decoded once, or the query's `key`.
 *
 * In the path `.` and `..` elements, a leading `~/` and (but for HEAD) a trailing `/` are refused, as
 * in AIStore; clients and proxies rewrite such paths. The query takes every key.
 *
 * @throws Failure `key-invalid` | `key-too-long` | `uri-invalid`
 */
export function objectKey(exchange: Exchange, rawKey: string | undefined): string {
  const asked = exchange.query.get('key')
  if (asked !== undefined) {
    if (rawKey !== undefined) {
      throw new Failure('key-invalid', 'the key stands in the path and in the query; send one')
    }
    exchange.key = checkKey(asked)
    return asked
  }
  if (rawKey === undefined) throw new Failure('key-invalid', 'the path has no object name')
  const key = checkKey(percentDecode(rawKey))
  const elements = key.split('/')
  if (elements.includes('.') || elements.includes('..') || key.startsWith('~/')) {
    throw refused('"." and ".." elements and a leading "~/" are refused in the path')
  }
  if (key.endsWith('/') && exchange.method !== 'HEAD') {
    throw refused('an object name in the path may not end with "/"')
  }
  exchange.key = key
  return key
}

function refused(message: string): Failure {
  return new Failure('key-invalid', message, {
    hint: 'Send such a name as /v1/objects/<bucket>?key=<percent-encoded name>.',
  })
}

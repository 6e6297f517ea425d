import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Checksum } from '@forebay/model/checksum'
import { parseConditions } from '@forebay/s3/conditions'
import type { ActionMessage } from '@forebay/wire/action'
import { decodeChecksum } from '@forebay/wire/checksum'
import { decodeCustomMetadata } from '@forebay/wire/custom-metadata'
import { encodeWriteHeaders } from '@forebay/wire/object-headers'
import { objectKey, openBucket, type RawAddress } from './address.ts'
import { orderBlobDownload } from './blob-download.ts'
import { copyObject } from './copy-object.ts'
import type { Exchange } from './exchange.ts'
import { V1IncomingBody } from './incoming-body.ts'
import { signedPayloadHash } from './payload-hash.ts'
import { orderPromote } from './promote.ts'
import { readAction } from './request-body.ts'

/** Queries that make a PUT something else than storing its body; refused until they are built. */
const UNBUILT_QUERIES = [
  'append_type',
  'append_handle',
  'uploadId',
  'partNumber',
  'archpath',
  'archmime',
  'etl_name',
  'etl_pipeline',
] as const

/** `PUT /v1/objects/{bucket}/{object}`: stores the body, whatever content type it is sent with. */
export async function putObject(exchange: Exchange, address: RawAddress): Promise<void> {
  for (const name of UNBUILT_QUERIES) {
    const value = exchange.query.get(name)
    if (value !== undefined && value !== '') {
      throw new Failure('not-implemented', `PUT with ${name} is not built yet`)
    }
  }
  if ((exchange.query.get('object_to') ?? '') !== '') return copyObject(exchange, address)
  const { context, raw, signal } = exchange
  const key = objectKey(exchange, address.key)
  const stated = decodeChecksum(
    exchange.header('ais-checksum-type'),
    exchange.header('ais-checksum-value'),
  )
  const metadata = decodeCustomMetadata(raw.headersDistinct['ais-custom-md'] ?? [])
  const conditions = parseConditions(exchange.raw.headers)
  const bucket = await openBucket(exchange, address.bucket, 'write')
  const body = new V1IncomingBody(raw, {
    stated,
    signedSha256: signedPayloadHash(raw),
    stallTimeoutMs: context.readStallTimeoutMs,
  })
  const answer = await context.target.write({
    bucket,
    key,
    headers: {},
    metadata,
    conditions,
    stated: stated === undefined || !isForBackends(stated) ? [] : [stated],
    contentMd5Hex: stated?.algorithm === 'md5' ? stated.hex : undefined,
    md5: false,
    body,
    signal,
  })
  const object = { ref: bucket.ref, key, attributes: answer.attributes }
  exchange.sendEmpty(200, encodeWriteHeaders(object, answer.attributes.lastModifiedMs))
}

/**
 * `DELETE /v1/objects/{bucket}/{object}`: removes the object; with an evict message in the body, only
 * its cached copy.
 */
export async function deleteObject(exchange: Exchange, address: RawAddress): Promise<void> {
  const { context, signal } = exchange
  const message = await readAction(exchange.raw, signal)
  const action = message?.action ?? ''
  if (action !== '' && action !== 'evict-listrange') refuseAction(action, ['mpt-abort'])
  const key = objectKey(exchange, address.key)
  const bucket = await openBucket(exchange, address.bucket, 'write')
  const request = { bucket, key, conditions: parseConditions(exchange.raw.headers), signal }
  if (action === 'evict-listrange') {
    refuseOtherName(message, bucket, key)
    if (bucket.backend === undefined) {
      throw new Failure('bucket-not-remote', `bucket "${bucket.ref.name}" has no backend`)
    }
    const evicted = await context.target.evict(request)
    if (!evicted) throw new Failure('object-not-found', `${key} is not in the cache`)
  } else {
    const { existed } = await context.target.delete(request)
    if (existed === false) throw new Failure('object-not-found', `${key} does not exist`)
  }
  exchange.sendEmpty(200)
}

/**
 * `POST /v1/objects/{bucket}/{object}`: asks whether a read would have to wait; it never has to. Without
 * an object in the path it may order a job: a blob download, or files to become objects.
 */
export async function postObject(exchange: Exchange, address: RawAddress): Promise<void> {
  const message = await readAction(exchange.raw, exchange.signal)
  const action = message?.action ?? ''
  const hasJobs = exchange.context.jobs !== undefined
  if (message !== undefined && hasJobs && address.key === undefined) {
    if (action === 'blob-download') return orderBlobDownload(exchange, address, message)
    if (action === 'promote') return orderPromote(exchange, address, message)
  }
  if (action !== 'check-lock') refuseAction(action, POST_ACTIONS)
  objectKey(exchange, address.key)
  await openBucket(exchange, address.bucket, 'read')
  exchange.sendEmpty(200)
}

const POST_ACTIONS = [
  'mpt-upload',
  'mpt-complete',
  'rename-obj',
  'promote',
  'blob-download',
] as const

/** @throws Failure always: `not-implemented` for an action that AIStore has, else `argument-invalid` */
export function refuseAction(action: string, known: readonly string[]): never {
  if (known.includes(action)) {
    throw new Failure('not-implemented', `the action "${action}" is not built yet`)
  }
  throw new Failure('argument-invalid', `unknown action "${action.slice(0, 64)}"`)
}

/** A backend checks what it knows; XXH64 is AIStore's own. */
function isForBackends(checksum: Checksum): boolean {
  return checksum.algorithm !== 'xxh64' && checksum.algorithm !== 'md5'
}

/** AIStore's Go client repeats bucket and object in the message; another name there is no typing error. */
function refuseOtherName(
  message: ActionMessage | undefined,
  bucket: BucketRecord,
  key: string,
): void {
  const name = message?.name ?? ''
  if (name === '' || name === key || name === `${bucket.ref.name}/${key}`) return
  throw new Failure('argument-invalid', 'the name in the message is not the object of the path')
}

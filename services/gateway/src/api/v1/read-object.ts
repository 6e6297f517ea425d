import { Failure } from '@forebay/base/failure'
import { parseRange } from '@forebay/model/range'
import type { ObjectBody } from '@forebay/peer/bodies'
import type { HeadAnswer, ReadAnswer, ReadRequest } from '@forebay/peer/target-port'
import { parseConditions } from '@forebay/s3/conditions'
import { parseQueryFlag } from '@forebay/wire/action'
import {
  decodeObjectProperties,
  encodeHeadHeaders,
  encodeReadHeaders,
  encodeSelectedHeaders,
  type WireHeaders,
  type WirePlacement,
} from '@forebay/wire/object-headers'
import { objectKey, openBucket, type RawAddress } from './address.ts'
import type { Exchange } from './exchange.ts'

/** Queries that change what a read means and do not apply here; refused, because ignored they would lie. */
const UNBUILT_QUERIES = ['archpath', 'archregx', 'archmode', 'etl_name', 'etl_pipeline'] as const

/** `GET /v1/objects/{bucket}/{object}`: the whole object or one range of it. */
export async function getObject(exchange: Exchange, address: RawAddress): Promise<void> {
  const request = await readRequest(exchange, address, parseRange(exchange.header('range')))
  const answer = await exchange.context.target.read(request)
  if (answer.kind !== 'found') {
    refuse(exchange, answer)
    return
  }
  const { attributes, range, body } = answer
  const last = range === undefined ? 0 : range.offset + range.lengthBytes - 1
  await sendBody(exchange, body, () =>
    exchange.writeHead(range === undefined ? 200 : 206, {
      ...encodeReadHeaders({ ref: request.bucket.ref, key: request.key, attributes }),
      ...cacheHeaders(answer),
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(body.lengthBytes),
      'Accept-Ranges': 'bytes',
      ...(range === undefined
        ? {}
        : { 'Content-Range': `bytes ${range.offset}-${last}/${attributes.sizeBytes}` }),
    }),
  )
}

/** Sends the head, then the body; closes the body where there can be no head. */
export async function sendBody(
  { response }: Exchange,
  body: ObjectBody,
  writeHead: () => void,
): Promise<void> {
  try {
    writeHead()
  } catch (error) {
    body.close()
    throw error
  }
  const small = body.take()
  if (small === undefined) await body.sendTo(response)
  else response.end(small)
}

/** `HEAD /v1/objects/{bucket}/{object}`: all attributes, or those that `props` selects. */
export async function headObject(exchange: Exchange, address: RawAddress): Promise<void> {
  const props = exchange.query.get('props')
  const selected = props === undefined ? undefined : decodeObjectProperties(props)
  const request = await readRequest(exchange, address, undefined)
  const presence = exchange.query.get('presence') ?? ''
  if (presence === '2' || presence === '3' || presence === '4')
    await requirePresent(exchange, request)
  const answer = await exchange.context.target.head(request)
  if (answer.kind !== 'found') {
    refuse(exchange, answer)
    return
  }
  const { attributes } = answer
  const object = { ref: request.bucket.ref, key: request.key, attributes }
  const placement = await placementOf(exchange, request, answer)
  exchange.sendHead(200, {
    ...(selected === undefined
      ? encodeHeadHeaders(object, placement)
      : encodeSelectedHeaders(object, placement, selected)),
    ...cacheHeaders(answer),
    'Forebay-Cached-Bytes': String(answer.cachedBytes),
    'Content-Length': String(attributes.sizeBytes),
  })
}

async function readRequest(
  exchange: Exchange,
  address: RawAddress,
  range: ReadRequest['range'],
): Promise<ReadRequest> {
  for (const name of UNBUILT_QUERIES) {
    const value = exchange.query.get(name)
    if (value !== undefined && value !== '') {
      throw new Failure('not-implemented', `reading with ${name} is not built yet`)
    }
  }
  const key = objectKey(exchange, address.key)
  const bucket = await openBucket(exchange, address.bucket, 'read')
  return {
    bucket,
    key,
    range,
    conditions: parseConditions(exchange.raw.headers),
    latest: parseQueryFlag(exchange.query.get('latest-ver')),
    signal: exchange.signal,
  }
}

/** Answers only for what is in the cache, without asking the backend. */
async function requirePresent(exchange: Exchange, request: ReadRequest): Promise<void> {
  const { state } = await exchange.context.target.explain(request)
  if (state === 'whole') return
  throw new Failure('object-not-found', `${request.key} is not in the cache`)
}

/** Where the object lies; asked only where the answer tells it. */
async function placementOf(
  exchange: Exchange,
  request: ReadRequest,
  answer: Extract<HeadAnswer, { kind: 'found' }>,
): Promise<WirePlacement> {
  const { nodeId, target } = exchange.context
  const present = answer.cachedBytes === answer.attributes.sizeBytes
  const props = exchange.query.get('props')
  if (props !== undefined && !/\b(atime|copies|location)\b/.test(props)) return { nodeId, present }
  const { mountpath, lastAccessMs } = await target.explain(request)
  return { nodeId, present, mountpath, lastAccessMs }
}

export function cacheHeaders({
  cache,
}: {
  readonly cache: { status: string; ageSeconds: number }
}): WireHeaders {
  return { 'Forebay-Cache': cache.status, Age: String(cache.ageSeconds) }
}

/** Every answer that carries no object. */
export function refuse(exchange: Exchange, answer: Exclude<ReadAnswer, { kind: 'found' }>): void {
  const { key } = exchange
  switch (answer.kind) {
    case 'absent':
      throw new Failure('object-not-found', `${key} does not exist`)
    case 'unsatisfiable':
      throw new Failure('range-not-satisfiable', `the range begins behind the end of ${key}`, {
        facts: { sizeBytes: answer.sizeBytes },
      })
    case 'precondition-failed':
      throw new Failure(
        'precondition-failed',
        `a condition of the request does not hold for ${key}`,
      )
    case 'not-modified':
      exchange.sendHead(304, { ETag: `"${answer.attributes.etag}"`, ...cacheHeaders(answer) })
      return
    default:
      answer satisfies never
  }
}

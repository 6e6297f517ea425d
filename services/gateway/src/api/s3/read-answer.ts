import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import { type ByteRange, parseRange } from '@forebay/model/range'
import type { CacheFacts, ObjectAddress, ReadRequest } from '@forebay/peer/target-port'
import { pushChecksums } from '@forebay/s3/checksum-headers'
import { parseConditions, parseEntityTags } from '@forebay/s3/conditions'
import { formatHttpDate, parseHttpDate } from '@forebay/s3/dates'
import { pushMetadata, toHeaderValue } from '@forebay/s3/object-headers'
import { header } from '@forebay/s3/request-headers'
import { verbatim } from '@forebay/s3/verbatim'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { parsePartNumber } from './page-number.ts'

/** What S3 calls an object of which nobody said what it is. */
const CONTENT_TYPE_DEFAULT = 'binary/octet-stream'

/** What an empty object whose name ends in a slash is to the tools that make and read such ones. */
const DIRECTORY_TYPE = 'application/x-directory'

const OVERRIDES = [
  ['response-content-type', 'Content-Type'],
  ['response-content-language', 'Content-Language'],
  ['response-expires', 'Expires'],
  ['response-cache-control', 'Cache-Control'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-encoding', 'Content-Encoding'],
] as const

/**
 * What a GET or HEAD asks of the owner of the key.
 *
 * @throws Failure `argument-invalid` | `bad-request`
 */
export function parseRead(exchange: Exchange, address: ObjectAddress): ObjectRead {
  const { query } = exchange.target
  const range = parseRange(exchange.headers.range)
  const partNumber = query.has('partNumber') ? parsePartNumber(query) : undefined
  if (partNumber !== undefined && range !== undefined) {
    throw verbatim('bad-request', 'Cannot specify both Range header and partNumber query parameter')
  }
  return new ObjectRead(exchange, address, { range, partNumber })
}

/**
 * A read as the target sees it. A class, because its signal is made only when somebody asks for it: a
 * getter in a literal would give every request a shape of its own that outlives it.
 */
export class ObjectRead implements ReadRequest {
  readonly bucket: ReadRequest['bucket']
  readonly key: string
  readonly range: ReadRequest['range']
  readonly partNumber: number | undefined
  readonly versionId: string | undefined
  readonly conditions: ReadRequest['conditions']
  readonly #exchange: Exchange
  readonly #address: ObjectAddress

  constructor(
    exchange: Exchange,
    address: ObjectAddress,
    wanted: Pick<ReadRequest, 'range' | 'partNumber'>,
  ) {
    this.#exchange = exchange
    this.#address = address
    this.bucket = address.bucket
    this.key = address.key
    this.range = wanted.range
    this.partNumber = wanted.partNumber
    this.versionId = exchange.target.query.get('versionId')
    this.conditions = parseConditions(exchange.headers)
  }

  get signal(): AbortSignal {
    return this.#exchange.signal
  }

  /** The same without its range. */
  withoutRange(): ObjectRead {
    const { partNumber } = this
    return new ObjectRead(this.#exchange, this.#address, { range: undefined, partNumber })
  }
}

/**
 * True when the range asked for may be answered of this version (RFC 9110 §13.1.5): otherwise the
 * client wants the whole object.
 */
export function ifRangeHolds(exchange: Exchange, attributes: ObjectAttributes): boolean {
  const value = header(exchange.headers, 'if-range')
  if (value === undefined) return true
  const dateMs = parseHttpDate(value)
  if (dateMs !== undefined) {
    return Math.floor(attributes.lastModifiedMs / 1000) === Math.floor(dateMs / 1000)
  }
  return parseEntityTags(value).includes(attributes.etag)
}

/** What was found, as far as headers tell it. */
export interface FoundObject {
  readonly attributes: ObjectAttributes
  readonly range: ByteRange | undefined
  readonly partCount?: number | undefined
  readonly cache: CacheFacts
}

/** The headers of a 200 or 206, flat. */
export function foundHeaders(exchange: Exchange, found: FoundObject): FlatHeaders {
  const { attributes, range, cache } = found
  const { headers } = attributes
  const flat: FlatHeaders = [
    'x-amz-request-id',
    exchange.requestId,
    'Content-Length',
    range === undefined ? attributes.sizeBytes : range.lengthBytes,
    'ETag',
    `"${attributes.etag}"`,
    'Last-Modified',
    formatHttpDate(attributes.lastModifiedMs),
    'Accept-Ranges',
    'bytes',
    'Forebay-Cache',
    cache.status,
    'Age',
    cache.ageSeconds,
  ]
  exchange.cache = cache.status
  if (exchange.target.query.size === 0) {
    flat.push('Content-Type', toHeaderValue(headers.contentType ?? defaultType(exchange, found)))
    pushStored(flat, headers)
  } else {
    pushOverridden(flat, exchange, found)
  }
  // A part of no bytes has no range that could be written down.
  if (range !== undefined && foundStatus(range) === 206) {
    const last = range.offset + range.lengthBytes - 1
    flat.push('Content-Range', `bytes ${range.offset}-${last}/${attributes.sizeBytes}`)
  }
  pushMetadata(flat, attributes.metadata)
  pushRest(flat, exchange, found)
  return flat
}

/** 206 for a part of the bytes; a part of no bytes has no range, so it is a 200. */
export function foundStatus(range: ByteRange | undefined): 200 | 206 {
  return range === undefined || range.lengthBytes === 0 ? 200 : 206
}

/** The headers of a 304: what a cache needs to keep its copy (RFC 9110 §15.4.5). */
export function notModifiedHeaders(
  exchange: Exchange,
  found: { readonly attributes: ObjectAttributes; readonly cache: CacheFacts },
): FlatHeaders {
  const { attributes, cache } = found
  exchange.cache = cache.status
  const flat: FlatHeaders = [
    'ETag',
    `"${attributes.etag}"`,
    'Last-Modified',
    formatHttpDate(attributes.lastModifiedMs),
    'Forebay-Cache',
    cache.status,
    'Age',
    cache.ageSeconds,
  ]
  const { cacheControl, expires } = attributes.headers
  if (cacheControl !== undefined) flat.push('Cache-Control', toHeaderValue(cacheControl))
  if (expires !== undefined) flat.push('Expires', toHeaderValue(expires))
  return flat
}

/** The failure of a read that found no bytes to answer with. */
export function readFailure(
  exchange: Exchange,
  answer:
    | { readonly kind: 'absent' | 'precondition-failed' }
    | { readonly kind: 'unsatisfiable'; readonly sizeBytes: number },
): Failure {
  switch (answer.kind) {
    case 'absent':
      return new Failure('object-not-found', 'the specified key does not exist')
    case 'precondition-failed':
      return new Failure(
        'precondition-failed',
        'at least one of the pre-conditions you specified did not hold',
        { facts: { condition: failedCondition(exchange) } },
      )
    case 'unsatisfiable': {
      if (exchange.target.query.has('partNumber')) {
        return new Failure('part-number-invalid', 'the requested partnumber is not satisfiable')
      }
      return new Failure('range-not-satisfiable', 'the requested range is not satisfiable', {
        facts: {
          actualObjectSize: answer.sizeBytes,
          rangeRequested: exchange.headers.range ?? '',
        },
      })
    }
    default:
      return answer satisfies never
  }
}

function failedCondition(exchange: Exchange): string {
  return exchange.headers['if-match'] === undefined ? 'If-Unmodified-Since' : 'If-Match'
}

function pushStored(flat: FlatHeaders, headers: ObjectAttributes['headers']): void {
  const { contentEncoding, contentLanguage, contentDisposition, cacheControl, expires } = headers
  if (contentEncoding !== undefined) flat.push('Content-Encoding', toHeaderValue(contentEncoding))
  if (contentLanguage !== undefined) flat.push('Content-Language', toHeaderValue(contentLanguage))
  if (contentDisposition !== undefined) {
    flat.push('Content-Disposition', toHeaderValue(contentDisposition))
  }
  if (cacheControl !== undefined) flat.push('Cache-Control', toHeaderValue(cacheControl))
  if (expires !== undefined) flat.push('Expires', toHeaderValue(expires))
}

/** As `pushStored`, but the query's own words come first (S3 API: response-*). */
function pushOverridden(flat: FlatHeaders, exchange: Exchange, found: FoundObject): void {
  const { headers } = found.attributes
  const stored = {
    'Content-Type': headers.contentType ?? defaultType(exchange, found),
    'Content-Language': headers.contentLanguage,
    Expires: headers.expires,
    'Cache-Control': headers.cacheControl,
    'Content-Disposition': headers.contentDisposition,
    'Content-Encoding': headers.contentEncoding,
  }
  for (const [parameter, name] of OVERRIDES) {
    const override = exchange.target.query.get(parameter)
    const value = override === undefined ? stored[name] : overrideValue(parameter, override)
    if (value !== undefined) flat.push(name, toHeaderValue(value))
  }
}

/** Of an object of a native bucket that nobody gave a type. */
function defaultType(exchange: Exchange, { attributes }: FoundObject): string {
  const native = attributes.validators === undefined
  return native && attributes.sizeBytes === 0 && exchange.target.key?.endsWith('/') === true
    ? DIRECTORY_TYPE
    : CONTENT_TYPE_DEFAULT
}

function overrideValue(parameter: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line end would begin another header.
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    throw new Failure('argument-invalid', `${parameter} has characters that no header can carry`)
  }
  return Buffer.from(value).toString('latin1')
}

function pushRest(flat: FlatHeaders, exchange: Exchange, found: FoundObject): void {
  const { attributes, range, partCount } = found
  const { storageClass, checksums, headers } = attributes
  // Amazon leaves STANDARD out; a backend's object has what its backend said.
  const shownClass = storageClass ?? (attributes.validators === undefined ? 'STANDARD' : undefined)
  if (shownClass !== undefined) flat.push('x-amz-storage-class', toHeaderValue(shownClass))
  if (headers.websiteRedirect !== undefined) {
    flat.push('x-amz-website-redirect-location', toHeaderValue(headers.websiteRedirect))
  }
  if (partCount !== undefined) flat.push('x-amz-mp-parts-count', partCount)
  for (const name in attributes.originHeaders) {
    flat.push(name, toHeaderValue(attributes.originHeaders[name] ?? ''))
  }
  const tagCount = attributes.tagCount ?? attributes.tags?.length
  if (tagCount !== undefined) flat.push('x-amz-tagging-count', tagCount)
  const versionId = attributes.validators?.versionId
  if (versionId !== undefined) flat.push('x-amz-version-id', versionId)
  // Of a part of the bytes no SDK can check the checksum of the whole; it would report damage.
  const whole = range === undefined || range.lengthBytes === attributes.sizeBytes
  if (whole && checksums.length > 0) {
    const mode = header(exchange.headers, 'x-amz-checksum-mode')
    if (mode?.toUpperCase() === 'ENABLED') pushChecksums(flat, checksums)
  }
}

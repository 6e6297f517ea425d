import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import { PUT_BYTES_MAX, XML_BODY_BYTES_MAX } from '@forebay/base/limits'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import { parseStatedDigests, type StatedDigests } from '@forebay/s3/checksum-headers'
import {
  announcedTrailers,
  ChunkedDecoder,
  type ChunkedMode,
  decodedLength,
} from '@forebay/s3/chunked/decoder'
import { header, type RequestHeaders } from '@forebay/s3/request-headers'
import { EMPTY_SHA256 } from '@forebay/s3/sigv4/canonical'
import type { PayloadMode } from '@forebay/s3/sigv4/verify'
import type { Exchange } from './exchange.ts'
import { payloadMismatch, S3IncomingBody } from './incoming-body.ts'

const NOTHING_STATED: StatedDigests = {
  checksum: undefined,
  contentMd5Hex: undefined,
  trailer: undefined,
}

/** A body and what the client states about it. */
export interface OpenedBody {
  readonly body: S3IncomingBody
  readonly stated: StatedDigests
}

/**
 * Prepares to read the bytes of an object or a part. Nothing is read yet: lengths, digests and
 * framing are judged by the headers alone, so that a refusal costs no transfer.
 *
 * @throws Failure `length-required` | `entity-too-large` | `argument-invalid` | `digest-invalid` |
 *   `bad-request`
 */
export function openObjectBody(exchange: Exchange): OpenedBody {
  const { kind } = exchange.authenticated.payload
  const trailers = kind === 'chunked-signed' || kind === 'chunked-unsigned'
  const lengthBytes = bodyLength(exchange)
  if (lengthBytes > PUT_BYTES_MAX) {
    throw new Failure('entity-too-large', 'your proposed upload exceeds the maximum allowed size', {
      facts: { maxSizeAllowed: PUT_BYTES_MAX },
    })
  }
  const stated = parseStatedDigests(exchange.headers, trailers)
  return { stated, body: openBody(exchange, lengthBytes, stated) }
}

/**
 * Checks the signed hash of a body that has no bytes: it is known without reading, so that whoever
 * signed another body learns that before anything that the request names is looked up.
 *
 * @throws Failure `payload-hash-mismatch`
 */
export function checkEmptyPayload(headers: RequestHeaders, payload: PayloadMode): void {
  if (payload.kind !== 'hash' || headers['transfer-encoding'] !== undefined) return
  const lengthBytes = Number(headers['content-length'] ?? 0)
  if (lengthBytes === 0 && payload.sha256Hex !== EMPTY_SHA256) {
    throw payloadMismatch(payload.sha256Hex, EMPTY_SHA256)
  }
}

/**
 * Reads a document, verified against every digest that the client states about it.
 *
 * @param options `checksum` false where x-amz-checksum-* speaks of an object and not of this body
 * @throws Failure as `openObjectBody`, and `message-too-large` before anything is read
 */
export async function readDocument(
  exchange: Exchange,
  options: { readonly bytesMax?: number; readonly checksum?: boolean } = {},
): Promise<Buffer> {
  const bytesMax = options.bytesMax ?? XML_BODY_BYTES_MAX
  const { headers } = exchange
  if (headers['transfer-encoding'] === undefined && headers['content-length'] === undefined) {
    return Buffer.alloc(0)
  }
  const lengthBytes = bodyLength(exchange)
  if (lengthBytes > bytesMax) {
    throw new Failure('message-too-large', `the body is longer than ${bytesMax} bytes`)
  }
  const { kind } = exchange.authenticated.payload
  const chunked = kind === 'chunked-signed' || kind === 'chunked-unsigned'
  const stated =
    options.checksum === false
      ? { ...NOTHING_STATED, contentMd5Hex: parseStatedMd5(exchange) }
      : parseStatedDigests(headers, chunked)
  const body = openBody(exchange, lengthBytes, stated)
  const chunks: Buffer[] = []
  await body.pump((chunk) => {
    chunks.push(chunk)
  }, exchange.signal)
  const bytes = Buffer.concat(chunks)
  exchange.bytesIn = bytes.length
  const digests = new Map<ChecksumAlgorithm, string>()
  for (const algorithm of body.digestsNeeded) digests.set(algorithm, hashBuffer(algorithm, bytes))
  body.judge(digests)
  return bytes
}

function parseStatedMd5(exchange: Exchange): string | undefined {
  const md5 = exchange.headers['content-md5']
  return md5 === undefined
    ? undefined
    : parseStatedDigests({ 'content-md5': md5 }, false).contentMd5Hex
}

function bodyLength(exchange: Exchange): number {
  const { headers } = exchange
  const { kind } = exchange.authenticated.payload
  if (kind === 'chunked-signed' || kind === 'chunked-unsigned') {
    return decodedLength(header(headers, 'x-amz-decoded-content-length'))
  }
  const length = headers['content-length']
  if (length === undefined) {
    throw new Failure(
      'length-required',
      'you must provide the Content-Length HTTP header, or send the body aws-chunked',
    )
  }
  return Number(length)
}

function openBody(exchange: Exchange, lengthBytes: number, stated: StatedDigests): S3IncomingBody {
  const { payload } = exchange.authenticated
  return new S3IncomingBody(exchange.request, {
    lengthBytes,
    stated,
    payloadSha256Hex: payload.kind === 'hash' ? payload.sha256Hex : undefined,
    decoder:
      payload.kind === 'chunked-signed' || payload.kind === 'chunked-unsigned'
        ? openDecoder(exchange, payload, lengthBytes)
        : undefined,
    stallTimeoutMs: exchange.context.readStallTimeoutMs,
    onStart: () => exchange.continue(),
  })
}

function openDecoder(
  exchange: Exchange,
  mode: ChunkedMode,
  declaredLength: number,
): ChunkedDecoder {
  return new ChunkedDecoder({
    mode,
    chain: exchange.authenticated.chunks,
    declaredLength,
    trailerNames: announcedTrailers(header(exchange.headers, 'x-amz-trailer')),
  })
}

/**
 * Builds aws-chunked bodies as a client does. Tests and load generators use it against the decoder,
 * so it shares nothing with that but the specification: keys and signatures are computed here.
 */
import { createHash, createHmac } from 'node:crypto'
import { formatTimestamp } from '../sigv4/timestamp.ts'

/** With what the chunks of a body are signed. */
export interface ChunkSigner {
  readonly secretAccessKey: string
  readonly region: string
  /** The time of the request's own signature. */
  readonly date: Date
  /** The signature in the request's Authorization header or query. */
  readonly seedSignature: string
}

export interface ChunkedEncoding {
  /** Absent: chunks are not signed, as with `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. */
  readonly signer?: ChunkSigner | undefined
  /** Lower-case names; absent: no trailers, which only signed chunks may do without. */
  readonly trailers?: Readonly<Record<string, string>> | undefined
}

/** The headers that say that a body is encoded so. They are to be signed with the request. */
export function chunkedHeaders(
  decodedBytes: number,
  encoding: { readonly signed: boolean; readonly trailerNames: readonly string[] },
): Record<string, string> {
  const headers: Record<string, string> = {
    'content-encoding': 'aws-chunked',
    'x-amz-content-sha256': chunkedPayload(encoding.signed, encoding.trailerNames.length > 0),
    'x-amz-decoded-content-length': String(decodedBytes),
  }
  if (encoding.trailerNames.length > 0) headers['x-amz-trailer'] = encoding.trailerNames.join(',')
  return headers
}

/** The value of x-amz-content-sha256 for a body that is encoded so. */
export function chunkedPayload(signed: boolean, trailer: boolean): string {
  if (!signed) return 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
  return trailer
    ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'
    : 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
}

/** The wire form of a body: each non-empty piece as one chunk, the final chunk, the trailers. */
export function* encodeChunked(
  pieces: Iterable<Buffer>,
  encoding: ChunkedEncoding,
): Generator<Buffer, void> {
  const signatures = encoding.signer === undefined ? undefined : new Signatures(encoding.signer)
  for (const piece of pieces) {
    if (piece.length === 0) continue
    yield chunkLine(piece, signatures)
    yield piece
    yield Buffer.from('\r\n')
  }
  yield chunkLine(Buffer.alloc(0), signatures)
  const trailers = Object.entries(encoding.trailers ?? {})
  let tail = ''
  for (const [name, value] of trailers) tail += `${name}:${value}\r\n`
  if (signatures !== undefined && encoding.trailers !== undefined) {
    const text = trailers.map(([name, value]) => `${name}:${value}\n`).join('')
    tail += `x-amz-trailer-signature:${signatures.ofTrailers(text)}\r\n`
  }
  yield Buffer.from(`${tail}\r\n`)
}

function chunkLine(piece: Buffer, signatures: Signatures | undefined): Buffer {
  const size = piece.length.toString(16)
  if (signatures === undefined) return Buffer.from(`${size}\r\n`)
  return Buffer.from(`${size};chunk-signature=${signatures.ofChunk(piece)}\r\n`)
}

class Signatures {
  readonly #key: Buffer
  readonly #place: readonly string[]
  #previous: string

  constructor(signer: ChunkSigner) {
    const timestamp = formatTimestamp(signer.date.getTime())
    const scope = [timestamp.slice(0, 8), signer.region, 's3', 'aws4_request']
    this.#key = scope.reduce<Buffer>(
      (key, part) => createHmac('sha256', key).update(part).digest(),
      Buffer.from(`AWS4${signer.secretAccessKey}`),
    )
    this.#place = [timestamp, scope.join('/')]
    this.#previous = signer.seedSignature
  }

  ofChunk(data: Buffer): string {
    return this.#sign('AWS4-HMAC-SHA256-PAYLOAD', [sha256(Buffer.alloc(0)), sha256(data)])
  }

  ofTrailers(text: string): string {
    return this.#sign('AWS4-HMAC-SHA256-TRAILER', [sha256(Buffer.from(text))])
  }

  #sign(algorithm: string, hashes: readonly string[]): string {
    const text = [algorithm, ...this.#place, this.#previous, ...hashes].join('\n')
    this.#previous = createHmac('sha256', this.#key).update(text).digest('hex')
    return this.#previous
  }
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

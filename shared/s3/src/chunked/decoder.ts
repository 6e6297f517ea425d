/** Takes an aws-chunked body apart (Amazon S3 API reference, "Signature Calculation: Chunked"). */
import assert from 'node:assert/strict'
import { createHash, type Hash, hash } from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import { EMPTY_SHA256 } from '../sigv4/canonical.ts'
import type { ChunkChain } from '../sigv4/chunk-chain.ts'
import { isSha256Hex } from '../sigv4/signing-key.ts'
import type { PayloadMode } from '../sigv4/verify.ts'

/** Longest line before a chunk, bytes: a size, and a signature (99) or some other extension. */
export const CHUNK_LINE_BYTES_MAX = 256

/** Smallest chunk that another may follow, bytes (S3 API). */
export const CHUNK_BYTES_MIN = 8192

/** Digits of a chunk size; more cannot be a number of bytes. */
export const CHUNK_SIZE_DIGITS_MAX = 16

/** Bytes passed over to see whether a chunk that is too long has them or only announces them. */
export const SURPLUS_LOOK_BYTES_MAX = 8192

/** All trailers together, bytes; S3 knows a checksum and a signature. */
export const TRAILER_BYTES_MAX = 4096

/** Trailers that x-amz-trailer may announce. */
export const TRAILERS_MAX = 16

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SIGNATURE_EXTENSION = ';chunk-signature='
const TRAILER_SIGNATURE = 'x-amz-trailer-signature:'

export type ChunkedMode = Extract<PayloadMode, { readonly kind: `chunked-${string}` }>

export interface ChunkedDecoderOptions {
  readonly mode: ChunkedMode
  /** Verifies the signatures of `chunked-signed`; without it only the framing is checked. */
  readonly chain?: ChunkChain | undefined
  /** Bytes of the decoded body, from x-amz-decoded-content-length. */
  readonly declaredLength: number
  /** Lower-case names, from x-amz-trailer. */
  readonly trailerNames: readonly string[]
  /** Smallest chunk that another may follow, bytes; default `CHUNK_BYTES_MIN`. */
  readonly chunkBytesMin?: number | undefined
}

/**
 * The value of x-amz-decoded-content-length, bytes.
 *
 * @throws Failure `length-required` when it is absent or not a length,
 *   `entity-too-large` over the largest object
 */
export function decodedLength(header: string | undefined): number {
  if (header === undefined || header === '') {
    throw new Failure('length-required', 'an aws-chunked body needs x-amz-decoded-content-length')
  }
  if (!/^\d{1,18}$/.test(header)) {
    throw new Failure('length-required', 'x-amz-decoded-content-length must be a number of bytes')
  }
  const length = Number(header)
  if (length > OBJECT_BYTES_MAX) {
    throw new Failure('entity-too-large', `an object has at most ${OBJECT_BYTES_MAX} bytes`)
  }
  return length
}

/**
 * The names in x-amz-trailer, lower case; none when the header is absent.
 *
 * @throws Failure `argument-invalid` when there are too many, or one is empty or twice there
 */
export function announcedTrailers(header: string | undefined): readonly string[] {
  if (header === undefined || header === '') return []
  const names = header.split(',', TRAILERS_MAX + 1).map((name) => name.trim().toLowerCase())
  const distinct = new Set(names)
  if (names.length > TRAILERS_MAX || distinct.size < names.length || distinct.has('')) {
    throw new Failure('argument-invalid', `x-amz-trailer must list 1..${TRAILERS_MAX} names`)
  }
  return names
}

type State = 'size' | 'data' | 'data-end' | 'surplus' | 'trailers' | 'done' | 'failed'

/**
 * Decodes one body as it arrives. Nothing is copied: what is emitted are views of what was written.
 * Bytes of a signed chunk are emitted before its signature is seen to be right, so they count only
 * once `end` has returned. After a failure the decoder takes nothing more.
 */
export class ChunkedDecoder {
  readonly #options: ChunkedDecoderOptions
  readonly #trailers = new Map<string, string>()
  #state: State = 'size'
  /** The part of a line that has arrived, with its line end. */
  #line = ''
  #chunkBytes = 0
  /** Bytes of the current chunk that are still to come. */
  #chunkLeft = 0
  /** Bytes of the body that no chunk has announced yet. */
  #bodyLeft: number
  #chunkSignature = ''
  #chunkHash: Hash | undefined
  #trailerBytes = 0
  /** The trailers as they are signed. */
  #trailerText = ''
  #trailersSigned = false

  constructor(options: ChunkedDecoderOptions) {
    assert(options.declaredLength >= 0)
    if (options.trailerNames.length > 0 && !options.mode.trailer) {
      throw new Failure(
        'bad-request',
        'x-amz-trailer is there, but x-amz-content-sha256 says that there are none',
      )
    }
    this.#options = options
    this.#bodyLeft = options.declaredLength
  }

  /** The trailers by lower-case name, without the signature; complete once `end` has returned. */
  get trailers(): ReadonlyMap<string, string> {
    return this.#trailers
  }

  /**
   * Takes the next bytes of the wire and hands out the body's bytes among them, in order.
   *
   * @throws Failure `signature-mismatch` for a chunk or trailers signed otherwise,
   *   `body-incomplete` for broken framing and another length than declared, `trailer-malformed`
   *   for a trailer that was not announced, `chunk-size-invalid` for a small chunk before the last
   */
  write(wire: Buffer, emit: (data: Buffer) => void): void {
    try {
      let offset = 0
      while (offset < wire.length) offset = this.#step(wire, offset, emit)
    } catch (error) {
      this.#state = 'failed'
      throw error
    }
  }

  /** To be called at the end of the wire. @throws Failure `body-incomplete` */
  end(): void {
    if (this.#state === 'done') return
    this.#state = 'failed'
    throw refusal('the body ended before its final chunk was complete')
  }

  #step(wire: Buffer, offset: number, emit: (data: Buffer) => void): number {
    switch (this.#state) {
      case 'size':
        return this.#readChunkLine(wire, offset)
      case 'data':
        return this.#readData(wire, offset, emit)
      case 'data-end':
        return this.#readDataEnd(wire, offset)
      case 'surplus':
        return this.#readSurplus(wire, offset)
      case 'trailers':
        return this.#readTrailerLine(wire, offset)
      case 'done':
        throw refusal('there are bytes after the final chunk')
      case 'failed':
        throw refusal('the body was refused already')
    }
  }

  #readChunkLine(wire: Buffer, offset: number): number {
    const next = this.#readLine(wire, offset, CHUNK_LINE_BYTES_MAX)
    if (!this.#line.endsWith('\n')) return next
    const line = this.#takeLine()
    const semicolon = line.indexOf(';')
    const digits = semicolon === -1 ? line : line.slice(0, semicolon)
    if (this.#options.mode.kind === 'chunked-signed') {
      this.#chunkSignature = line.slice(digits.length + SIGNATURE_EXTENSION.length)
      const extension = line.slice(digits.length, digits.length + SIGNATURE_EXTENSION.length)
      if (extension !== SIGNATURE_EXTENSION || !isSha256Hex(this.#chunkSignature)) {
        throw refusal('a chunk has no well-formed chunk-signature')
      }
    }
    this.#beginChunk(digits)
    return next
  }

  #beginChunk(digits: string): void {
    if (digits.length > CHUNK_SIZE_DIGITS_MAX || !/^[0-9a-fA-F]+$/.test(digits)) {
      throw refusal('a chunk size is not a hexadecimal number')
    }
    const size = Number.parseInt(digits, 16)
    if (size > this.#bodyLeft) {
      if (this.#bodyLeft > SURPLUS_LOOK_BYTES_MAX) throw longerThanDeclared()
      this.#chunkLeft = this.#bodyLeft
      this.#state = 'surplus'
      return
    }
    const { chunkBytesMin = CHUNK_BYTES_MIN } = this.#options
    if (size > 0 && this.#chunkBytes > 0 && this.#chunkBytes < chunkBytesMin) {
      throw new Failure(
        'chunk-size-invalid',
        `a chunk of ${this.#chunkBytes} bytes is followed by another`,
      )
    }
    this.#chunkBytes = size
    this.#chunkLeft = size
    this.#bodyLeft -= size
    if (size > 0) {
      this.#state = 'data'
      return
    }
    if (this.#bodyLeft > 0) {
      throw new Failure(
        'body-incomplete',
        'the chunks are shorter than x-amz-decoded-content-length',
      )
    }
    this.#checkChunk(EMPTY_SHA256)
    this.#state = 'trailers'
  }

  #readData(wire: Buffer, offset: number, emit: (data: Buffer) => void): number {
    const end = Math.min(wire.length, offset + this.#chunkLeft)
    const data = offset === 0 && end === wire.length ? wire : wire.subarray(offset, end)
    this.#chunkLeft -= data.length
    if (this.#options.chain !== undefined) this.#hashData(data)
    if (this.#chunkLeft === 0) this.#state = 'data-end'
    emit(data)
    return end
  }

  /**
   * Passes over what the body may still have of a chunk that announces more, and refuses it: S3 has
   * one sentence for a chunk that ends there, before its own size, and one for a chunk that goes on.
   */
  #readSurplus(wire: Buffer, offset: number): number {
    const end = Math.min(wire.length, offset + this.#chunkLeft)
    this.#chunkLeft -= end - offset
    if (end === wire.length) return end
    throw wire[end] === CARRIAGE_RETURN
      ? refusal('a chunk is shorter than its size says')
      : longerThanDeclared()
  }

  #hashData(data: Buffer): void {
    if (data.length === this.#chunkBytes) {
      this.#checkChunk(hash('sha256', data, 'hex'))
      return
    }
    this.#chunkHash ??= createHash('sha256')
    this.#chunkHash.update(data)
    if (this.#chunkLeft > 0) return
    this.#checkChunk(this.#chunkHash.digest('hex'))
    this.#chunkHash = undefined
  }

  #checkChunk(sha256Hex: string): void {
    const { chain, mode } = this.#options
    if (chain === undefined || mode.kind !== 'chunked-signed') return
    if (!chain.acceptChunk(sha256Hex, this.#chunkSignature)) {
      throw new Failure('signature-mismatch', 'the signature of a chunk does not match')
    }
  }

  #readDataEnd(wire: Buffer, offset: number): number {
    const expected = this.#line === '' ? CARRIAGE_RETURN : LINE_FEED
    if (wire[offset] !== expected) throw refusal('a chunk is longer than its size says')
    if (expected === CARRIAGE_RETURN) {
      this.#line = '\r'
    } else {
      this.#line = ''
      this.#state = 'size'
    }
    return offset + 1
  }

  #readTrailerLine(wire: Buffer, offset: number): number {
    const next = this.#readLine(wire, offset, TRAILER_BYTES_MAX - this.#trailerBytes)
    if (!this.#line.endsWith('\r\n')) return next
    this.#trailerBytes += this.#line.length
    const line = this.#takeLine()
    if (line === '') this.#finish()
    else if (line.startsWith(TRAILER_SIGNATURE)) this.#checkTrailers(line)
    else this.#readTrailers(line)
    return next
  }

  /** A line holds one trailer; minio-go ends each with `\n` and all of them with `\r\n`. */
  #readTrailers(line: string): void {
    if (this.#trailersSigned)
      throw badTrailer('a trailer stands after the signature of the trailers')
    if (line.includes('\r')) throw refusal('a line of the trailers does not end in CR LF')
    if (this.#awaitsTrailerSignature()) throw refusal('the signature of the trailers is missing')
    const lines = line.endsWith('\n') ? line.slice(0, -1) : line
    for (const trailer of lines.split('\n')) {
      const colon = trailer.indexOf(':')
      const name = trailer.slice(0, Math.max(colon, 0))
      const value = trailer.slice(colon + 1).replace(/^ +/, '')
      const lower = name.toLowerCase()
      const known = this.#options.trailerNames.includes(lower)
      if (!known || this.#trailers.has(lower) || !/^[ -~]*$/.test(value)) {
        throw badTrailer('a trailer is broken, repeated, or not announced in x-amz-trailer')
      }
      this.#trailers.set(lower, value)
      this.#trailerText += `${name}:${value}\n`
    }
  }

  /** True when every trailer that was announced is there: S3 takes another line for a body cut short. */
  #awaitsTrailerSignature(): boolean {
    const { mode, trailerNames } = this.#options
    if (mode.kind !== 'chunked-signed' || trailerNames.length === 0) return false
    return this.#trailers.size === trailerNames.length
  }

  #checkTrailers(line: string): void {
    const { chain, mode } = this.#options
    const signature = line.slice(TRAILER_SIGNATURE.length)
    const expected = mode.kind === 'chunked-signed' && mode.trailer && !this.#trailersSigned
    if (!expected) throw badTrailer('the signature of the trailers is out of place')
    if (!isSha256Hex(signature)) throw refusal('the signature of the trailers is malformed')
    const sha256Hex = hash('sha256', Buffer.from(this.#trailerText, 'latin1'), 'hex')
    if (chain !== undefined && !chain.acceptTrailers(sha256Hex, signature)) {
      throw new Failure('signature-mismatch', 'the signature of the trailers does not match')
    }
    this.#trailersSigned = true
  }

  #finish(): void {
    const { mode, trailerNames } = this.#options
    if (this.#trailers.size < trailerNames.length) {
      throw badTrailer('a trailer that x-amz-trailer announces is missing')
    }
    if (mode.kind === 'chunked-signed' && mode.trailer && !this.#trailersSigned) {
      throw new Failure('signature-mismatch', 'the trailers are not signed')
    }
    this.#state = 'done'
  }

  /** Adds to the line up to the next line feed; the caller sees by the line's end if it is whole. */
  #readLine(wire: Buffer, offset: number, bytesMax: number): number {
    const lineFeed = wire.indexOf(LINE_FEED, offset)
    const end = lineFeed === -1 ? wire.length : lineFeed + 1
    if (this.#line.length + end - offset > bytesMax) {
      const message = `a line of the framing is longer than ${bytesMax} bytes`
      throw this.#state === 'trailers' ? badTrailer(message) : refusal(message)
    }
    this.#line += wire.toString('latin1', offset, end)
    return end
  }

  #takeLine(): string {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) throw refusal('a line of the chunk framing does not end in CR LF')
    return line.slice(0, -2)
  }
}

/** Framing that is broken anywhere: to S3 it is a body that ended too early. */
function refusal(message: string): Failure {
  return new Failure('body-incomplete', 'The request body terminated unexpectedly', {
    hint: `${message}.`,
    facts: { verbatim: true },
  })
}

function longerThanDeclared(): Failure {
  return new Failure('body-incomplete', 'the chunks are longer than x-amz-decoded-content-length')
}

function badTrailer(message: string): Failure {
  return new Failure('trailer-malformed', message)
}

import { EMPTY_SHA256 } from './canonical.ts'
import { equalSignatures, type SigningKey, signatureOf } from './signing-key.ts'

/** Where a chain begins: the verified signature of the request's head. */
export interface ChunkChainSeed {
  readonly key: SigningKey
  /** `20260131T235959Z` */
  readonly timestamp: string
  /** `date/region/s3/aws4_request` */
  readonly scope: string
  readonly signature: string
}

/**
 * The signatures of one aws-chunked body: each covers its chunk and the signature before it, so
 * chunks can neither be changed nor left out nor put in another order. A chain serves one body.
 */
export class ChunkChain {
  readonly #key: SigningKey
  readonly #place: string
  #previous: string

  constructor(seed: ChunkChainSeed) {
    this.#key = seed.key
    this.#place = `${seed.timestamp}\n${seed.scope}`
    this.#previous = seed.signature
  }

  /** Whether `signature` is that of the next chunk, whose bytes have this hash; moves on if so. */
  acceptChunk(sha256Hex: string, signature: string): boolean {
    return this.#accept(
      `AWS4-HMAC-SHA256-PAYLOAD\n${this.#place}\n${this.#previous}\n${EMPTY_SHA256}\n${sha256Hex}`,
      signature,
    )
  }

  /** Whether `signature` is that of the trailers, `name:value\n` each, with this hash. */
  acceptTrailers(sha256Hex: string, signature: string): boolean {
    return this.#accept(
      `AWS4-HMAC-SHA256-TRAILER\n${this.#place}\n${this.#previous}\n${sha256Hex}`,
      signature,
    )
  }

  #accept(text: string, signature: string): boolean {
    const expected = signatureOf(this.#key, text)
    if (!equalSignatures(expected, signature)) return false
    this.#previous = expected
    return true
  }
}

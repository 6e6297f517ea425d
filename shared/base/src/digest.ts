import { crc32c as nativeCrc32c } from '@node-rs/crc32'
import { xxh64 as nativeXxh64, Xxh64 } from '@node-rs/xxhash'

/** A 64-bit digest as two unsigned halves: arithmetic on it needs no BigInt. */
export interface Digest64 {
  readonly high: number
  readonly low: number
}

const wide = new BigUint64Array(1)
const halves = new Uint32Array(wide.buffer)
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** CRC-32C (Castagnoli) of `bytes`, 0..2^32-1; `previous` continues a digest. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return nativeCrc32c(bytes, previous)
}

/** XXH64 of `input` (text as UTF-8) under `seed`, 0..2^32-1. */
export function xxh64(input: Uint8Array | string, seed = 0): Digest64 {
  wide[0] = nativeXxh64(input, BigInt(seed))
  const [first = 0, second = 0] = halves
  return LITTLE_ENDIAN ? { high: second, low: first } : { high: first, low: second }
}

/** Sixteen lower-case hexadecimal digits, big-endian. */
export function formatDigest64(digest: Digest64): string {
  return hex32(digest.high) + hex32(digest.low)
}

/** XXH64, seed 0, of bytes that arrive in pieces. */
export class Xxh64Stream {
  readonly #state = new Xxh64(0n)

  update(bytes: Uint8Array): void {
    this.#state.update(bytes)
  }

  /** Of everything so far, as `formatDigest64` writes it. */
  hex(): string {
    return this.#state.digest().toString(16).padStart(16, '0')
  }
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, '0')
}

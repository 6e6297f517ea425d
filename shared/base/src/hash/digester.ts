import assert from 'node:assert/strict'
import { createHash, hash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'
import { Xxh64, xxh64 } from '@node-rs/xxhash'
import { DIGEST_HEX_LENGTH, type HashAlgorithm } from './algorithms.ts'
import { Crc64Nvme } from './crc64-nvme.ts'
import { openHashStream } from './hash-workers.ts'
import { Xxh3 } from './xxh3.ts'

/** Longest body whose MD5 is computed on the event loop, bytes: 1.5 ms of it at 1.43 s/GiB. */
export const MD5_INLINE_BYTES_MAX = 1024 ** 2

/** Digests of one body, computed as it passes. One owner; ends with `digest` or `abandon`. */
export interface Digester {
  /**
   * Takes the next bytes. A returned promise means: no further call before it has resolved; until
   * then the chunk must not change. Rejects with `internal` when the hash worker died.
   */
  update(chunk: Buffer): void | Promise<void>
  /** The digests in lower-case hexadecimal, CRCs as big-endian numbers of full width. Once. */
  digest(): Promise<ReadonlyMap<HashAlgorithm, string>>
  /** Gives everything up. Idempotent; does nothing after `digest`. */
  abandon(): void
}

export interface DigesterOptions {
  /** Length of the body where it is known; decides whether MD5 is worth a worker. */
  readonly expectedBytes?: number | undefined
}

/** One algorithm of a digester. */
interface Running {
  update(chunk: Buffer): void | Promise<void>
  digest(): string | Promise<string>
  abandon?(): void
}

/**
 * Starts digests of one body. Everything but MD5 is computed in place; MD5 of a body above
 * `MD5_INLINE_BYTES_MAX`, or of unknown length, in a hash worker.
 */
export function createDigester(
  algorithms: Iterable<HashAlgorithm>,
  options: DigesterOptions = {},
): Digester {
  const running = new Map<HashAlgorithm, Running>()
  for (const algorithm of algorithms) {
    if (!running.has(algorithm)) running.set(algorithm, start(algorithm, options.expectedBytes))
  }
  return new RunningDigests(running)
}

/** The digest of bytes at hand, lower-case hexadecimal; blocks for as long as it takes. */
export function hashBuffer(algorithm: HashAlgorithm, bytes: Uint8Array): string {
  switch (algorithm) {
    case 'crc32':
      return fullWidth(crc32(bytes), algorithm)
    case 'crc32c':
      return fullWidth(crc32c(bytes), algorithm)
    case 'crc64nvme': {
      const crc = new Crc64Nvme()
      crc.update(bytes)
      return crc.digest()
    }
    case 'xxh64':
      return fullWidth(xxh64(bytes), algorithm)
    case 'xxh3':
    case 'xxh128': {
      const state = new Xxh3(algorithm)
      state.update(bytes)
      return state.digest()
    }
    case 'sha1':
    case 'sha256':
    case 'sha512':
    case 'md5':
      return hash(algorithm, bytes, 'hex')
    default:
      return algorithm satisfies never
  }
}

class RunningDigests implements Digester {
  readonly #running: ReadonlyMap<HashAlgorithm, Running>
  #ended = false

  constructor(running: ReadonlyMap<HashAlgorithm, Running>) {
    this.#running = running
  }

  update(chunk: Buffer): void | Promise<void> {
    assert(!this.#ended, 'update after digest or abandon')
    let waiting: Promise<void> | undefined
    for (const part of this.#running.values()) {
      // Only one part, MD5 in a worker, ever waits.
      waiting = part.update(chunk) ?? waiting
    }
    return waiting
  }

  async digest(): Promise<ReadonlyMap<HashAlgorithm, string>> {
    assert(!this.#ended, 'a second digest')
    this.#ended = true
    const digests = new Map<HashAlgorithm, string>()
    for (const [algorithm, part] of this.#running) digests.set(algorithm, await part.digest())
    return digests
  }

  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    for (const part of this.#running.values()) part.abandon?.()
  }
}

function start(algorithm: HashAlgorithm, expectedBytes: number | undefined): Running {
  switch (algorithm) {
    case 'crc32':
      return runningCrc(algorithm, crc32)
    case 'crc32c':
      return runningCrc(algorithm, crc32c)
    case 'crc64nvme':
      return new Crc64Nvme()
    case 'xxh64': {
      const state = new Xxh64()
      return {
        update: (chunk) => {
          state.update(chunk)
        },
        digest: () => fullWidth(state.digest(), algorithm),
      }
    }
    case 'xxh3':
    case 'xxh128':
      return new Xxh3(algorithm)
    case 'sha1':
    case 'sha256':
    case 'sha512':
      return runningCrypto(algorithm)
    case 'md5': {
      const short = expectedBytes !== undefined && expectedBytes <= MD5_INLINE_BYTES_MAX
      return short ? runningCrypto(algorithm) : openHashStream()
    }
    default:
      return algorithm satisfies never
  }
}

function runningCrc(
  algorithm: 'crc32' | 'crc32c',
  next: (bytes: Uint8Array, previous: number) => number,
): Running {
  let value = 0
  return {
    update: (chunk) => {
      value = next(chunk, value)
    },
    digest: () => fullWidth(value, algorithm),
  }
}

function runningCrypto(algorithm: 'sha1' | 'sha256' | 'sha512' | 'md5'): Running {
  const state = createHash(algorithm)
  return {
    update: (chunk) => {
      state.update(chunk)
    },
    digest: () => state.digest('hex'),
  }
}

function fullWidth(value: number | bigint, algorithm: HashAlgorithm): string {
  return value.toString(16).padStart(DIGEST_HEX_LENGTH[algorithm], '0')
}

import assert from 'node:assert/strict'
import { createHash, hash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'
import { Xxh64, xxh64 } from '@node-rs/xxhash'
import { DIGEST_HEX_LENGTH, type HashAlgorithm } from './algorithms.ts'
import { Crc64Nvme } from './crc64-nvme.ts'
import { type HashStream, openHashStream, type WorkerAlgorithm } from './hash-workers.ts'
import { Xxh3 } from './xxh3.ts'

/**
 * Longest body whose MD5 is computed on the event loop, bytes: 0.16 ms of it. A worker hashes many
 * bodies together for a third of that, but is told of each.
 */
export const MD5_INLINE_BYTES_MAX = 128 * 1024

/** Digests of one body, computed as it passes. One owner; ends with `digest` or `abandon`. */
export interface Digester {
  /**
   * Takes the next bytes. A returned promise means: no further bytes before it has resolved; until
   * then the chunk must not change. `digest` and `abandon` need not wait for it. Rejects with `internal` when the hash worker died.
   */
  update(chunk: Buffer): void | Promise<void>
  /** The digests in lower-case hexadecimal, CRCs as big-endian numbers of full width. Once. */
  digest(): Promise<ReadonlyMap<HashAlgorithm, string>>
  /** Gives everything up. Idempotent; does nothing after `digest`. */
  abandon(): void
}

export interface DigesterOptions {
  /** Length of the body where it is known, never less than it has; decides whether MD5 is worth a worker. */
  readonly expectedBytes?: number | undefined
}

/** One algorithm of a digester, computed in place. */
interface Running {
  update(chunk: Buffer): void
  digest(): string
}

/**
 * Starts digests of one body. Everything but MD5 is computed in place; MD5 of a body above
 * `MD5_INLINE_BYTES_MAX`, or of unknown length, in a hash worker, and CRC-64/NVME then with it.
 */
export function createDigester(
  algorithms: Iterable<HashAlgorithm>,
  options: DigesterOptions = {},
): Digester {
  const { expectedBytes } = options
  const all = new Set(algorithms)
  const short = expectedBytes !== undefined && expectedBytes <= MD5_INLINE_BYTES_MAX
  const aside = new Set<WorkerAlgorithm>()
  if (all.has('md5') && !short) {
    aside.add('md5')
    if (all.has('crc64nvme')) aside.add('crc64nvme')
  }
  if (aside.size === 0) return new DigestsInPlace(all, expectedBytes)
  return new RunningDigests(startAll(all, aside), openHashStream(aside))
}

function startAll(
  algorithms: Iterable<HashAlgorithm>,
  aside: ReadonlySet<HashAlgorithm>,
): ReadonlyMap<HashAlgorithm, Running | undefined> {
  const running = new Map<HashAlgorithm, Running | undefined>()
  for (const algorithm of algorithms) {
    running.set(algorithm, aside.has(algorithm) ? undefined : start(algorithm))
  }
  return running
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

/** Without a worker. A body that comes in one piece, as small ones do, needs no running state. */
class DigestsInPlace implements Digester {
  readonly #algorithms: ReadonlySet<HashAlgorithm>
  readonly #expectedBytes: number | undefined
  #running: RunningDigests | undefined
  #digests: Map<HashAlgorithm, string> | undefined
  /** More came than was expected: who counts bytes knows that it is not the body. */
  #isOverrun = false
  #ended = false

  constructor(algorithms: ReadonlySet<HashAlgorithm>, expectedBytes: number | undefined) {
    this.#algorithms = algorithms
    this.#expectedBytes = expectedBytes
  }

  update(chunk: Buffer): void | Promise<void> {
    assert(!this.#ended, 'update after digest or abandon')
    if (this.#digests !== undefined) {
      this.#isOverrun ||= chunk.length > 0
      return
    }
    if (this.#running === undefined && chunk.length === this.#expectedBytes) {
      this.#digests = new Map()
      for (const algorithm of this.#algorithms) {
        this.#digests.set(algorithm, hashBuffer(algorithm, chunk))
      }
      return
    }
    return this.#start().update(chunk)
  }

  async digest(): Promise<ReadonlyMap<HashAlgorithm, string>> {
    assert(!this.#ended, 'a second digest')
    assert(!this.#isOverrun, 'the body is longer than it was said to be')
    this.#ended = true
    return this.#digests ?? this.#start().digest()
  }

  abandon(): void {
    this.#ended = true
  }

  #start(): RunningDigests {
    this.#running ??= new RunningDigests(startAll(this.#algorithms, NOBODY), undefined)
    return this.#running
  }
}

const NOBODY: ReadonlySet<HashAlgorithm> = new Set()

class RunningDigests implements Digester {
  /** Undefined for those in the worker. */
  readonly #running: ReadonlyMap<HashAlgorithm, Running | undefined>
  readonly #aside: HashStream | undefined
  #ended = false

  constructor(
    running: ReadonlyMap<HashAlgorithm, Running | undefined>,
    aside: HashStream | undefined,
  ) {
    this.#running = running
    this.#aside = aside
  }

  update(chunk: Buffer): void | Promise<void> {
    assert(!this.#ended, 'update after digest or abandon')
    for (const part of this.#running.values()) part?.update(chunk)
    return this.#aside?.update(chunk)
  }

  async digest(): Promise<ReadonlyMap<HashAlgorithm, string>> {
    assert(!this.#ended, 'a second digest')
    this.#ended = true
    const fromWorker = await this.#aside?.digest()
    const digests = new Map<HashAlgorithm, string>()
    for (const [algorithm, part] of this.#running) {
      const hex =
        part === undefined && (algorithm === 'md5' || algorithm === 'crc64nvme')
          ? fromWorker?.[algorithm]
          : part?.digest()
      assert(hex !== undefined, `nobody computed ${algorithm}`)
      digests.set(algorithm, hex)
    }
    return digests
  }

  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    this.#aside?.abandon()
  }
}

function start(algorithm: HashAlgorithm): Running {
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
    case 'md5':
      return runningCrypto(algorithm)
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
